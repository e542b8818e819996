"""`respsweep cluster check FILE`: everything about a cluster file that can be known before machines are paid for."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from data.settings import ConfigError
from sweep.cluster.cluster_file import ClusterFile
from sweep.cluster.finding import Finding, error
from sweep.cluster.kuberay import is_kuberay, kuberay_file
from sweep.cluster.launcher import launcher_file
from sweep.cluster.rules.auth import auth_mode, token
from sweep.cluster.rules.files import files
from sweep.cluster.rules.kuberay import kuberay_fields
from sweep.cluster.rules.mlflow import mlflow
from sweep.cluster.rules.ports import ports
from sweep.cluster.rules.resources import resources
from sweep.cluster.rules.scaling import scaling
from sweep.cluster.rules.schema import old_keys, placeholders, schema
from sweep.cluster.rules.secrets import secrets
from sweep.cluster.rules.ssh import ssh
from sweep.cluster.rules.storage import storage
from sweep.cluster.rules.versions import versions
from sweep.cluster.surroundings import Surroundings

Rule = Callable[[ClusterFile, Surroundings], Iterator[Finding]]
ANY: Mapping[str, Rule] = {
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
    "launcher": {
        "Ray's schema": schema,
        "old keys": old_keys,
        "addresses and ssh key": ssh,
        "token": token,
        "synced files": files,
    },
    "kuberay": {"KubeRay's fields": kuberay_fields},
}
"""Rules for one kind of file."""
QUOTED_CHARACTERS = 60


@dataclass(frozen=True)
class Report:
    """What is wrong with one file, and what was looked at."""

    findings: Sequence[Finding]
    checked: Sequence[str]

    @property
    def errors(self) -> int:
        return sum(finding.level == "error" for finding in self.findings)

    @property
    def summary(self) -> str:
        """One line: how many findings, and of what."""
        warnings = len(self.findings) - self.errors
        counts = f"{_count(self.errors, 'error')}, {_count(warnings, 'warning')}" if self.findings else "fine"
        return f"{counts}; checked: {', '.join(self.checked)}"


def check_cluster_file(path: Path, surroundings: Surroundings) -> Report:
    """Every finding about the file at `path`. Nothing is started and no network is used.

    Raises ConfigError when it cannot be read, or is neither for `ray up` nor for KubeRay.
    """
    file, repeated = read_cluster_file(path)
    rules = {**ONLY[file.kind], **ANY}
    by_rule = {name: list(rule(file, surroundings)) for name, rule in rules.items()}
    findings = dict.fromkeys([*repeated, *(finding for found in by_rule.values() for finding in found)])
    with_secret = {finding.where for finding in by_rule["secrets"]}
    quotes = {
        command.where: _beginning(command.text)
        for command in file.commands
        if command.where not in with_secret and command.where.rpartition(".")[2].isdigit()
    }
    quoted = [replace(finding, quote=quotes.get(finding.where, "")) for finding in findings]
    return Report(quoted, ["keys written twice", *rules])


def read_cluster_file(path: Path) -> tuple[ClusterFile, list[Finding]]:
    """The file, and its keys that are written twice, of which YAML keeps the last without a word.

    Raises ConfigError as `check_cluster_file` does.
    """
    try:
        text = path.read_text(encoding="utf-8")
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(
            f"{path}: cannot be read: {getattr(problem, 'strerror', None) or problem}"
        ) from problem
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(
            f"{path}:{where} not valid YAML: {getattr(problem, 'problem', problem)}"
        ) from problem
    return _recognise(path, documents), [finding for node in nodes if node for finding in _repeated(node, "")]


def _recognise(path: Path, documents: list[Any]) -> ClusterFile:
    mappings = [document for document in documents if isinstance(document, dict)]
    if any(is_kuberay(document) for document in mappings):
        return kuberay_file(path, mappings)
    if len(documents) == 1 and mappings and {"cluster_name", "provider"} & mappings[0].keys():
        return launcher_file(path, mappings[0])
    raise ConfigError(
        f"{path}: neither a file for ray up (cluster_name, provider) nor KubeRay's (apiVersion: ray.io/v1)"
    )


def _repeated(node: yaml.Node, where: str) -> Iterator[Finding]:
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            place = f"{where}.{key.value}" if where else str(key.value)
            line = key.start_mark.line + 1
            if place in lines:
                yield error(
                    place,
                    f"written twice, in lines {lines[place]} and {line}",
                    "once: only the last one counts",
                )
            lines[place] = line
            yield from _repeated(value, place)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield from _repeated(value, f"{where}.{position}")


def _beginning(command: str) -> str:
    return textwrap.shorten(command, QUOTED_CHARACTERS, placeholder=" ...")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
