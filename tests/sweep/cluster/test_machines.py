import pytest

from sweep.cluster.cluster_file import Capacity
from sweep.cluster.machines import aws_machine, gcp_machine


@pytest.mark.parametrize(
    ("name", "cpus", "gpus"),
    [
        ("m7i.large", 2, 0),
        ("g6.xlarge", 4, 1),
        ("g5.2xlarge", 8, 1),
        ("g4dn.12xlarge", 48, 4),
        ("g6.48xlarge", 192, 8),
        ("p4d.24xlarge", 96, 8),
        ("p3.8xlarge", 32, 4),
        ("vt1.3xlarge", 12, None),
    ],
)
def test_aws_machines_are_known_by_name(name: str, cpus: int, gpus: int | None) -> None:
    assert aws_machine(name) == Capacity(cpus, gpus)


@pytest.mark.parametrize(
    ("name", "accelerators", "cpus", "gpus"),
    [
        ("e2-standard-4", 0, 4, 0),
        ("n1-standard-8", 2, 8, 2),
        ("g2-standard-4", 0, 4, 1),
        ("g2-standard-24", 0, 24, 2),
        ("zones/europe-west4-a/machineTypes/g2-standard-96", 0, 96, 8),
        ("a2-highgpu-4g", 0, None, 4),
        ("e2-medium", 0, None, 0),
        ("ct5lp-hightpu-4t", 0, None, None),
        ("", 0, None, None),
    ],
)
def test_gcp_machines_are_known_by_name_and_accelerators(
    name: str, accelerators: int, cpus: int | None, gpus: int | None
) -> None:
    added = [{"acceleratorType": "nvidia-tesla-t4", "acceleratorCount": accelerators}] * bool(accelerators)
    assert gcp_machine({"machineType": name, "guestAccelerators": added}) == Capacity(cpus, gpus)
