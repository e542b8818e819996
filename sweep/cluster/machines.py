"""CPUs and GPUs of the machines that clouds rent out, as far as their names and a short list tell."""

from __future__ import annotations

import re
from typing import Any

from sweep.cluster.cluster_file import Capacity, items, mapping

AWS_GPUS = {
    ("g4dn", "g5", "g6", "g6e"): {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8, "metal": 8, "": 1},
    ("gr6",): {"": 1},
    ("p3",): {"2xlarge": 1, "8xlarge": 4, "16xlarge": 8},
    ("p3dn", "p4d", "p4de", "p5e", "p5en"): {"": 8},
    ("p5",): {"4xlarge": 1, "48xlarge": 8},
}
"""NVIDIA GPUs of a family's sizes; "" is any other size."""
AWS_CPU_FAMILY = re.compile(r"[cmrt]\d[a-z-]*")
AWS_SIZES = {"large": 2, "xlarge": 4, "metal": None}
GCP_GPUS = {
    "g2-standard": {4: 1, 8: 1, 12: 1, 16: 1, 24: 2, 32: 1, 48: 4, 96: 8},
    "a2-highgpu": {1: 1, 2: 2, 4: 4, 8: 8},
    "a2-ultragpu": {1: 1, 2: 2, 4: 4, 8: 8},
    "a2-megagpu": {16: 16},
    "a3-highgpu": {1: 1, 2: 2, 4: 4, 8: 8},
    "a3-megagpu": {8: 8},
}
"""NVIDIA GPUs by the number at the end of a machine type."""


GCP_CPU_FAMILY = re.compile(r"(e2|n1|n2|n2d|n4|c2|c2d|c3|c3d|c4|m1|m2|m3)(-|$)")


def aws_machine(instance_type: str) -> Capacity:
    """What an EC2 instance type has; the name of a size tells the CPUs (`Nxlarge` has 4N).

    Source: https://aws.amazon.com/ec2/instance-types/
    """
    family, _, size = instance_type.partition(".")
    multiple = re.fullmatch(r"(\d+)xlarge", size)
    cpus = 4 * int(multiple[1]) if multiple else AWS_SIZES.get(size)
    for families, sizes in AWS_GPUS.items():
        if family in families:
            return Capacity(cpus, sizes.get(size, sizes.get("")))
    return Capacity(cpus, 0 if AWS_CPU_FAMILY.fullmatch(family) else None)


def gcp_machine(node_config: dict[str, Any]) -> Capacity:
    """What a Compute Engine machine type has, with the accelerators added to it.

    Source: https://cloud.google.com/compute/docs/machine-resource
    """
    machine = str(node_config.get("machineType", "")).rpartition("/")[2]
    family, _, number = machine.rpartition("-")
    if family in GCP_GPUS and number.rstrip("g").isdigit():
        gpus = GCP_GPUS[family].get(int(number.rstrip("g")))
        return Capacity(int(number) if family == "g2-standard" else None, gpus)
    if not GCP_CPU_FAMILY.match(family):
        return Capacity()
    cpus = int(number) if "-" in family and number.isdigit() else None
    added = [mapping(entry) for entry in items(node_config.get("guestAccelerators"))]
    gpus = sum(count for entry in added if isinstance(count := entry.get("acceleratorCount"), int))
    return Capacity(cpus, gpus)
