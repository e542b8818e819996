"""CPUs and GPUs of the machines that clouds rent out, as far as their names and a short list tell."""

from __future__ import annotations

import difflib
import gzip
import importlib.util
import itertools
import json
import re
from collections.abc import Collection
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
    "a2-highgpu": {1: 1, 2: 2, 4: 4, 8: 8},
    "a2-ultragpu": {1: 1, 2: 2, 4: 4, 8: 8},
    "a2-megagpu": {16: 16},
    "a3-highgpu": {1: 1, 2: 2, 4: 4, 8: 8},
    "a3-megagpu": {8: 8},
}
"""NVIDIA GPUs by the number at the end of a machine type."""
GCP_CPU_FAMILIES = ["e2", "n1", "n2", "n2d", "n4", "c2", "c2d", "c3", "c3d", "c4", "m1", "m2", "m3"]
GCP_CPU_TYPE = re.compile(
    rf"({'|'.join(GCP_CPU_FAMILIES)})-((standard|highmem|highcpu|megamem|ultramem|custom)-\d.*|micro|small|medium)"
    r"|custom-\d.*"
)


def aws_machine(instance_type: str) -> Capacity:
    """What an EC2 instance type has; the name of a size tells the CPUs (`Nxlarge` has 4N). Nothing if EC2 has none such.

    Source: https://aws.amazon.com/ec2/instance-types/
    """
    if aws_types() and instance_type not in aws_types():
        return Capacity()
    family, _, size = instance_type.partition(".")
    multiple = re.fullmatch(r"(\d+)xlarge", size)
    cpus = 4 * int(multiple[1]) if multiple else AWS_SIZES.get(size)
    for families, sizes in AWS_GPUS.items():
        if family in families:
            return Capacity(cpus, sizes.get(size, sizes.get("")))
    return Capacity(cpus, 0 if AWS_CPU_FAMILY.fullmatch(family) else None)


def gcp_machine(machine_type: str, node_config: dict[str, Any]) -> Capacity:
    """What a Compute Engine machine type has, with the accelerators added to it.

    Source: https://cloud.google.com/compute/docs/machine-resource
    """
    family, _, number = machine_type.rpartition("-")
    if family in GCP_GPUS and number.rstrip("g").isdigit():
        gpus = GCP_GPUS[family].get(int(number.rstrip("g")))
        return Capacity(int(number) if family == "g2-standard" and gpus else None, gpus)
    if not GCP_CPU_TYPE.fullmatch(machine_type):
        return Capacity()
    cpus = int(number) if "-" in family and "custom" not in family and number.isdigit() else None
    added = [mapping(entry) for entry in items(node_config.get("guestAccelerators"))]
    gpus = sum(count for entry in added if isinstance(count := entry.get("acceleratorCount"), int))
    return Capacity(cpus, gpus)


def nearest_type(provider: str, name: str) -> str | None:
    """The cloud's machine type (`aws` or `gcp`) whose name is most like this one; itself if there is one."""
    known: Collection[str] = aws_types() if provider == "aws" else _gcp_types()
    return next(iter(difflib.get_close_matches(name.lower(), sorted(known), n=1)), None)


@cache
def aws_types() -> frozenset[str]:
    """Names of EC2's instance types, as the API model that comes with botocore lists them; empty without botocore."""
    found = importlib.util.find_spec("botocore")
    if found is None or not found.submodule_search_locations:
        return frozenset()
    models = Path(found.submodule_search_locations[0]) / "data" / "ec2"
    newest = max(models.glob("*/service-2.json.gz"), default=None)
    if newest is None:
        return frozenset()
    return frozenset(json.loads(gzip.decompress(newest.read_bytes()))["shapes"]["InstanceType"]["enum"])


def _gcp_types() -> set[str]:
    """Names of common machine types; Google publishes no list that could be read here."""
    with_gpus = {
        f"{family}-{number}{'g' if family.endswith('gpu') else ''}"
        for family, numbers in GCP_GPUS.items()
        for number in numbers
    }
    kinds = itertools.product(GCP_CPU_FAMILIES, ("standard", "highmem", "highcpu"), (2, 4, 8, 16, 32))
    return with_gpus | {f"{family}-{kind}-{number}" for family, kind, number in kinds}
