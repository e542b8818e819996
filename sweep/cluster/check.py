"""`respsweep cluster check FILE`: everything about a cluster file that can be known before machines are paid for."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data.settings import ConfigError, read_yaml_documents
from sweep.cluster.batch_script import batch_script, is_batch_script
from sweep.cluster.cluster_file import ClusterFile
from sweep.cluster.finding import Finding
from sweep.cluster.kuberay import is_kuberay, kuberay_file
from sweep.cluster.launcher import launcher_file
from sweep.cluster.rules.auth import auth_mode, token
from sweep.cluster.rules.batch import batch
from sweep.cluster.rules.files import files
from sweep.cluster.rules.kuberay import kuberay
from sweep.cluster.rules.mlflow import mlflow
from sweep.cluster.rules.placeholders import placeholders
from sweep.cluster.rules.ports import ports
from sweep.cluster.rules.resources import resources
from sweep.cluster.rules.scaling import scaling
from sweep.cluster.rules.schema import schema
from sweep.cluster.rules.secrets import secrets
from sweep.cluster.rules.ssh import ssh
from sweep.cluster.rules.storage import storage
from sweep.cluster.rules.versions import versions
from sweep.cluster.surroundings import Surroundings

Rule = Callable[[ClusterFile, Surroundings], Iterator[Finding]]
ANY: Mapping[str, Rule] = {
    "what Ray refuses": schema,
    "secrets": secrets,
    "versions": versions,
    "authentication": auth_mode,
    "open ports": ports,
    "shared storage": storage,
    "MLflow": mlflow,
    "resources": resources,
    "scaling and spot": scaling,
    "what is to be filled in": placeholders,
}
"""Rules for every cluster file."""
ONLY: Mapping[str, Mapping[str, Rule]] = {
    "launcher": {"addresses and ssh key": ssh, "token": token, "synced files": files},
    "kuberay": {"how a RayJob ends": kuberay},
    "slurm": {"how a job ends": batch},
}
"""Rules for one kind of file."""
OF_SCRIPTS = ("secrets", "resources", "what is to be filled in")
"""Rules of `ANY` that say something of a batch script, which has no ports, mounts or clouds in it."""
QUOTED_CHARACTERS = 60


@dataclass(frozen=True)
class Report:
    """What is wrong with a cluster file, and what was looked at."""

    findings: Sequence[Finding]
    checked: Sequence[str]

    @property
    def errors(self) -> int:
        return sum(finding.level == "error" for finding in self.findings)

    @property
    def summary(self) -> str:
        """Say in a line how many findings there are, and what was checked."""
        counts = {"error": self.errors, "warning": len(self.findings) - self.errors}
        written = [f"{count} {what}{'s' * (count != 1)}" for what, count in counts.items()]
        return f"{', '.join(written) if self.findings else 'fine'}; checked: {', '.join(self.checked)}"


def check_cluster_file(path: Path, surroundings: Surroundings) -> Report:
    """Find what is wrong with the file at `path`. Nothing is started and no network is used.

    Raises ConfigError when the file cannot be read, repeats a key, or is for none of `ray up`, KubeRay and sbatch.
    """
    file = read_cluster_file(path)
    general = {name: ANY[name] for name in OF_SCRIPTS} if file.kind == "slurm" else ANY
    rules = {**general, **ONLY[file.kind]}
    by_rule = {name: list(rule(file, surroundings)) for name, rule in rules.items()}
    findings = dict.fromkeys(finding for found in by_rule.values() for finding in found)
    with_secret = {finding.where for finding in by_rule["secrets"]}
    quotes = {
        command.where: textwrap.shorten(command.text, QUOTED_CHARACTERS, placeholder=" ...")
        for command in file.commands
        if command.where not in with_secret and command.where.rpartition(".")[2].isdigit()
    }
    return Report([replace(finding, quote=quotes.get(finding.where, "")) for finding in findings], [*rules])


def read_cluster_file(path: Path) -> ClusterFile:
    """Read the cluster that a file describes. Raises ConfigError as `check_cluster_file` does."""
    if is_batch_script(path):
        return batch_script(path)
    documents = read_yaml_documents(path)
    mappings = [document for document in documents if isinstance(document, dict)]
    if any(is_kuberay(document) for document in mappings):
        return kuberay_file(path, mappings)
    if len(documents) == 1 and mappings and {"cluster_name", "provider"} & mappings[0].keys():
        return launcher_file(path, mappings[0])
    raise ConfigError(
        f"{path}: neither a file for ray up (cluster_name, provider) nor KubeRay's (apiVersion: ray.io/v1), nor for "
        "sbatch (#SBATCH)"
    )
