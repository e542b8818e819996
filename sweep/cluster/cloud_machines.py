"""CPUs and GPUs of the machines that clouds rent out, as far as their names and a short list tell."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
from functools import cache
from pathlib import Path
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
AWS_CPU_FAMILY = re.compile(r"[cdhimrtxz]\d[a-z-]*")
AWS_SIZES = {"large": 2, "xlarge": 4, "metal": None}
GCP_GPUS = {
    "g2-standard": {4: 1, 8: 1, 12: 1, 16: 1, 24: 2, 32: 1, 48: 4, 96: 8},
    **{family: {1: 1, 2: 2, 4: 4, 8: 8} for family in ("a2-highgpu", "a2-ultragpu", "a3-highgpu")},
    "a2-megagpu": {16: 16},
    "a3-megagpu": {8: 8},
}
"""NVIDIA GPUs by the number at the end of a machine type."""
NUMBER = re.compile(r"[0-9]{1,6}")
"""A number in the name of a machine type: more digits than any has are no number, and may be more than int reads."""
GCP_CPU_TYPE = re.compile(
    r"([emnc][1-4]d?)-((standard|highmem|highcpu|megamem|ultramem|custom)-\d.*|micro|small|medium)|custom-\d.*"
)


def aws_machine(instance_type: str) -> Capacity:
    """Tell what an EC2 instance type has; a size names the CPUs (`Nxlarge` has 4N). Nothing for a type unknown to EC2.

    Source: https://aws.amazon.com/ec2/instance-types/
    """
    if aws_types() and instance_type not in aws_types():
        return Capacity()
    family, _, size = instance_type.partition(".")
    multiple = NUMBER.fullmatch(size.removesuffix("xlarge")) if size.endswith("xlarge") else None
    cpus = 4 * int(multiple[0]) if multiple else AWS_SIZES.get(size)
    for families, sizes in AWS_GPUS.items():
        if family in families:
            return Capacity(cpus, sizes.get(size, sizes.get("")))
    return Capacity(cpus, 0 if AWS_CPU_FAMILY.fullmatch(family) else None)


def gcp_machine(machine_type: str, node_config: dict[str, Any]) -> Capacity:
    """Tell what a Compute Engine machine type has, with the accelerators added to it.

    Source: https://cloud.google.com/compute/docs/machine-resource
    """
    family, _, number = machine_type.rpartition("-")
    if family in GCP_GPUS and NUMBER.fullmatch(number.rstrip("g")):
        gpus = GCP_GPUS[family].get(int(number.rstrip("g")))
        return Capacity(int(number) if family == "g2-standard" and gpus else None, gpus)
    if not GCP_CPU_TYPE.fullmatch(machine_type):
        return Capacity()
    cpus = int(number) if "-" in family and "custom" not in family and NUMBER.fullmatch(number) else None
    added = [mapping(entry) for entry in items(node_config.get("guestAccelerators"))]
    gpus = sum(count for entry in added if isinstance(count := entry.get("acceleratorCount"), int))
    return Capacity(cpus, gpus)


@cache
def aws_types() -> frozenset[str]:
    """List the names of EC2's instance types, from the API model that comes with botocore; empty without botocore."""
    found = importlib.util.find_spec("botocore")
    models = [Path(place) / "data" / "ec2" for place in (found and found.submodule_search_locations) or ()]
    newest = max((path for model in models for path in model.glob("*/service-2.json.gz")), default=None)
    if newest is None:
        return frozenset()
    return frozenset(json.loads(gzip.decompress(newest.read_bytes()))["shapes"]["InstanceType"]["enum"])
