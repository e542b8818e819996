"""What this machine, or what a process may use of it, offers to units, counted as Ray will count it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from sweep.config.study_parts import ResourcesConfig
from sweep.execution.errors import ExecutorError
from sweep.execution.ray_environment import prepare_ray
from sweep.execution.room import no_room, units_on


def check_machine(resources: ResourcesConfig) -> None:
    """Raise ExecutorError when this machine has no room for a unit, before Ray is started here. Imports Ray."""
    machine = machine_resources()
    if not units_on(machine, resources):
        raise ExecutorError(no_room(resources, machine, "this machine"))


def machine_resources() -> Mapping[str, float]:
    """List what Ray will count here when it is started: `CPU`, `GPU` if there is one, and others. Imports Ray."""
    prepare_ray()
    from ray._private.resource_and_label_spec import ResourceAndLabelSpec

    counted = ResourceAndLabelSpec(num_cpus=processors(), num_gpus=gpu_slices()).resolve(
        is_head=True, node_ip_address="127.0.0.1"
    )
    resources: dict[str, Any] = counted.to_resource_dict()
    return resources


def processors() -> int:
    """Count the processors that this process may use: Ray itself counts all of the machine's, or its container's.

    Of a SLURM job those that it was given, which not every site confines it to. Imports Ray.
    """
    from ray._private.utils import get_num_cpus

    of_the_job = os.environ.get("SLURM_CPUS_ON_NODE", "")
    given = [int(of_the_job)] if of_the_job.isdigit() else []
    return min(int(get_num_cpus()), len(os.sched_getaffinity(0)), *given)


def gpu_slices() -> int | None:
    """Count the slices of GPUs (MIG) that CUDA_VISIBLE_DEVICES names; None where it names none, and Ray counts right.

    Ray asks the driver, for which a GPU that is cut into seven slices is one.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return sum(name.strip().startswith("MIG-") for name in named) or None
