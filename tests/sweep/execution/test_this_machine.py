"""What a machine offers to units, and whether there is room for one, before Ray is started."""

import json
import os
import sys

import pytest
import ray

from sweep.config.study_parts import ResourcesConfig
from sweep.execution.errors import ExecutorError
from sweep.execution.ray_connection import start_ray, stop_ray
from sweep.execution.this_machine import check_machine, gpu_slices, machine_resources, processors


def test_a_machine_is_looked_at_without_starting_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", json.dumps({"CPU": 2, "GPU": 1}))
    check_machine(ResourcesConfig(cpu=2, gpu=1))
    with pytest.raises(ExecutorError, match=r"this machine has 2 CPU and 1 GPU: --set resources\.gpu=1, or"):
        check_machine(ResourcesConfig(cpu=1, gpu=2))
    assert not ray.is_initialized()


@pytest.mark.slow
def test_ray_counts_here_what_was_counted_before_it_started() -> None:
    before = machine_resources()
    start_ray("local")
    try:
        (node,) = ray.nodes()
        counted = {name: node["Resources"].get(name, 0) for name in ("CPU", "GPU")}
    finally:
        stop_ray()
    assert counted == {name: before.get(name, 0) for name in ("CPU", "GPU")}


@pytest.mark.parametrize(
    ("visible", "slices"), [("MIG-a,MIG-b, MIG-c", 3), ("0,1", None), ("GPU-a", None), ("", None)]
)
def test_slices_of_a_gpu_are_counted_as_cuda_visible_devices_names_them(
    monkeypatch: pytest.MonkeyPatch, visible: str, slices: int | None
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_slices() == slices
    if slices is not None:
        assert machine_resources()["GPU"] == slices


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says which processors a process may use")
def test_processors_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_OVERRIDE_RESOURCES", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    monkeypatch.setattr("ray._private.utils.get_num_cpus", lambda: 8)
    assert machine_resources()["CPU"] == 1
    assert processors() == 1


def test_a_job_offers_the_processors_that_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)
    all_ = processors()
    assert all_ <= len(os.sched_getaffinity(0))
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "1")
    assert processors() == 1
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "100000")
    assert processors() == all_
