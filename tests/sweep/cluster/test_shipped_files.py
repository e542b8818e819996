"""The files that a lab starts from: all that our own check finds is what to fill in, and Ray and a shell take them."""

from __future__ import annotations

import itertools
import os
import re
import socket
import subprocess
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweep.cluster.check import check_cluster_file, read_cluster_file
from sweep.cluster.surroundings import LOCK, Surroundings, UnitNeeds, locked_versions

ROOT = Path(__file__).parents[3]
CLOUDS = "cluster.yaml", "docs/cluster/gcp.yaml"
ON_PREMISE = "docs/cluster/on-premise.yaml"
KUBERAY = "docs/cluster/kuberay.yaml"
SHIPPED = *CLOUDS, ON_PREMISE, KUBERAY
FILL_IN = {
    "cluster.yaml": ["metadata.head_image", "metadata.gpu_image"],
    "docs/cluster/gcp.yaml": ["metadata.gpu_image", "provider.project_id"],
    ON_PREMISE: ["provider.head_ip", "provider.worker_ips.0", "provider.worker_ips.1", "auth.ssh_user"],
    KUBERAY: ["spec.storageClassName", "spec.rayClusterSpec.headGroupSpec.template.spec.containers.0.image"],
}
"""The errors of an untouched file, all of them."""
FILLED_IN = "provider.security_group.GroupName"
"""Which group may reach the head by ssh is for its owner to say, too."""


@pytest.fixture
def clone(here: Surroundings) -> Surroundings:
    (here.home / ".ssh").mkdir()
    (here.home / ".ssh" / "id_ed25519").touch()
    return replace(here, folder=ROOT, pins=locked_versions(LOCK))


@pytest.mark.parametrize("name", SHIPPED)
def test_errors_of_an_untouched_file_are_what_its_owner_fills_in(name: str, clone: Surroundings) -> None:
    findings = check_cluster_file(ROOT / name, clone).findings
    errors = [finding for finding in findings if finding.level == "error"]
    assert [finding.where for finding in errors] == FILL_IN[name]
    assert all("FILL_IN" in finding.found for finding in errors)
    assert all(finding.where == FILLED_IN for finding in findings if finding.level == "warning")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_file_that_is_filled_in_has_no_errors_and_room_for_a_unit_of_lung_srad(
    name: str, clone: Surroundings
) -> None:
    addresses = itertools.count(10)
    text = re.sub(
        r"FILL_IN_\w*(ADDRESS|WORKER)", lambda _: f"10.0.0.{next(addresses)}", (ROOT / name).read_text()
    )
    path = clone.home / "filled_in.yaml"
    path.write_text(text.replace("FILL_IN", "mine"))
    unit = UnitNeeds("search_spaces/lung_srad.yaml", 4, 1)
    report = check_cluster_file(path, replace(clone, unit=unit))
    assert [finding for finding in report.findings if finding.level == "error"] == []


def test_your_own_machines_need_your_own_key(clone: Surroundings) -> None:
    (clone.home / ".ssh" / "id_ed25519").unlink()
    errors = check_cluster_file(ROOT / ON_PREMISE, clone).findings
    assert {finding.where for finding in errors} == {*FILL_IN[ON_PREMISE], "auth.ssh_private_key"}


def test_kuberays_units_are_asked_for_by_number() -> None:
    cluster = _rayjob()["rayClusterSpec"]
    most = sum(group["maxReplicas"] for group in cluster["workerGroupSpecs"])
    assert f"--set resources.concurrent={most} " in _rayjob()["entrypoint"]


@pytest.mark.parametrize("name", [*CLOUDS, ON_PREMISE])
def test_the_head_is_up_when_mlflow_answers(name: str) -> None:
    wait = _content(name)["head_start_ray_commands"][-1]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = subprocess.run(
            ["bash", "-c", wait.replace("/5000", f"/{port}")], capture_output=True, timeout=60
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    # Without a server it gives up, and `ray up` goes on.
    nobody = wait.replace("/5000", f"/{port}").replace("timeout 120", "timeout 1")
    assert subprocess.run(["bash", "-c", nobody], capture_output=True, timeout=60).returncode == 0


def test_a_rayjob_waits_for_mlflow_before_its_study(tmp_path: Path) -> None:
    entrypoint = _rayjob()["entrypoint"]
    for program, body in {
        "wget": "echo wget $* >> log; test -e up || { touch up; false; }",
        "sleep": "",
    }.items():
        (tmp_path / program).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / program).chmod(0o755)
    (tmp_path / "respsweep").write_text("#!/bin/sh\necho respsweep $1 >> log\n")
    (tmp_path / "respsweep").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["sh", "-c", entrypoint], cwd=tmp_path, env={"PATH": path}, check=True, timeout=60)
    asked = "wget -q -O /dev/null http://127.0.0.1:5000/health"
    assert (tmp_path / "log").read_text().splitlines() == [asked, asked, "respsweep run"]


@pytest.mark.parametrize(
    "before", ["", "alias ll='ls -l'", "cd ~/respsweep-data\n", "export OLD=1 # respsweep\n"]
)
def test_a_login_shell_gets_one_line_which_is_replaced(tmp_path: Path, before: str) -> None:
    (command,) = [text for text in _content(ON_PREMISE)["setup_commands"] if ".bashrc" in text]
    bashrc = tmp_path / ".bashrc"
    bashrc.write_text(before)
    for _ in range(2):
        subprocess.run(["bash", "-c", command], env={**os.environ, "HOME": str(tmp_path)}, check=True)
    kept = [] if before.endswith("# respsweep\n") else before.splitlines()
    line = "export RAY_AUTH_MODE=token PATH=$HOME/respsweep/.venv/bin:$PATH # respsweep"
    assert bashrc.read_text().splitlines() == [*kept, line]


def test_units_of_lung_srad_take_what_is_said_here() -> None:
    study = yaml.safe_load((ROOT / "search_spaces" / "lung_srad.yaml").read_text())
    assert study["resources"] == {"cpu": 4, "gpu": 1}


@pytest.mark.parametrize("name", [*CLOUDS, ON_PREMISE])
def test_ray_prepares_and_accepts_it(name: str) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(deepcopy(_content(name)))
    validate_config(prepared)
    workers = [kind for kind in prepared["available_node_types"] if kind != prepared["head_node_type"]]
    assert len(workers) >= 3 or prepared["provider"]["type"] == "local"
    assert all(prepared["available_node_types"][kind]["min_workers"] == 0 for kind in workers)


def test_what_rays_autoscaler_reads_of_the_rayjob_is_valid() -> None:
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

    cluster = _rayjob()["rayClusterSpec"]
    derived = _derive_autoscaling_config_from_ray_cr(
        {"metadata": {"name": "respsweep", "namespace": "default"}, "spec": cluster}
    )
    assert derived["available_node_types"]["gpu"]["resources"]["GPU"] == 1
    assert derived["available_node_types"]["headgroup"]["resources"]["CPU"] == 0


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shell_can_read_every_command(name: str) -> None:
    file = read_cluster_file(ROOT / name)
    assert file.commands
    for command in file.commands:
        done = subprocess.run(["bash", "-n", "-c", command.text], capture_output=True, text=True)
        assert done.stderr == "", command.where


@pytest.mark.parametrize("name", CLOUDS)
def test_what_the_project_needs_is_synced_and_nothing_else(name: str) -> None:
    mounts = _content(name)["file_mounts"]
    sources = {source for source in mounts.values() if not source.startswith("~")}
    needed = {
        "data",
        "evidence",
        "model",
        "sweep",
        "search_spaces",
        "Makefile",
        "README.md",
        "pyproject.toml",
    }
    locks = re.findall(r"make \.venv/(\S*)ready", str(_content(name)["setup_commands"] + _head_setup(name)))
    assert sources == needed | {f"requirements{'-' + lock[:-1] if lock else ''}.lock" for lock in locks}
    assert all(remote == f"~/respsweep/{source}" for remote, source in mounts.items() if source in sources)


@pytest.mark.parametrize("name", [*CLOUDS, KUBERAY])
def test_a_file_says_that_it_was_never_run(name: str) -> None:
    assert "it was never run" in (ROOT / name).read_text().split("\n\n")[0].replace("\n# ", " ")


def _rayjob() -> dict[str, Any]:
    documents = yaml.safe_load_all((ROOT / KUBERAY).read_text())
    return next(document for document in documents if document["kind"] == "RayJob")["spec"]


def _head_setup(name: str) -> list[str]:
    return _content(name).get("head_setup_commands", [])


def _content(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text())
