"""The files that a lab starts from: they pass our own check, Ray's, and a shell's."""

from __future__ import annotations

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
FILLED_IN = "provider.security_group.GroupName"
"""Which group may reach the head by ssh is for its owner to say, too."""


@pytest.fixture
def clone(here: Surroundings) -> Surroundings:
    return replace(here, folder=ROOT, pins=locked_versions(LOCK))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_has_no_errors_and_room_for_a_unit_of_lung_srad(
    name: str, clone: Surroundings
) -> None:
    unit = UnitNeeds("search_spaces/lung_srad.yaml", 4, 1)
    report = check_cluster_file(ROOT / name, replace(clone, unit=unit))
    assert [finding for finding in report.findings if finding.level == "error"] == []


@pytest.mark.parametrize("name", [*CLOUDS, KUBERAY])
def test_warnings_of_a_shipped_file_are_what_its_owner_fills_in(name: str, clone: Surroundings) -> None:
    for finding in check_cluster_file(ROOT / name, clone).findings:
        assert "FILL_IN" in finding.found or finding.where == FILLED_IN


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

    spec = yaml.safe_load_all((ROOT / KUBERAY).read_text())
    cluster = next(document for document in spec if document["kind"] == "RayJob")["spec"]["rayClusterSpec"]
    derived = _derive_autoscaling_config_from_ray_cr(
        {"metadata": {"name": "respsweep", "namespace": "default"}, "spec": cluster}
    )
    assert derived["available_node_types"]["gpu"]["resources"]["GPU"] == 1
    assert derived["available_node_types"]["headgroup"]["resources"]["CPU"] == 0


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shell_can_read_every_command(name: str) -> None:
    file, _ = read_cluster_file(ROOT / name)
    assert file.commands
    for command in file.commands:
        done = subprocess.run(["bash", "-n", "-c", command.text], capture_output=True, text=True)
        assert done.stderr == "", command.where


@pytest.mark.parametrize("name", CLOUDS)
def test_what_the_project_needs_is_synced_and_nothing_else(name: str) -> None:
    mounts = _content(name)["file_mounts"]
    sources = {source for source in mounts.values() if not source.startswith("~")}
    assert sources == {
        "data",
        "model",
        "sweep",
        "search_spaces",
        "Makefile",
        "README.md",
        "pyproject.toml",
        "requirements.lock",
    }
    assert all(remote == f"~/respsweep/{source}" for remote, source in mounts.items() if source in sources)


@pytest.mark.parametrize("name", [*CLOUDS, KUBERAY])
def test_a_file_says_that_it_was_never_run(name: str) -> None:
    assert "it was never run" in (ROOT / name).read_text().split("\n\n")[0].replace("\n# ", " ")


def _content(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text())
