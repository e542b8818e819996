import pytest

from sweep.cluster.cloud_machines import aws_machine, aws_types, gcp_machine
from sweep.cluster.cluster_file import Capacity


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
        ("i4i.xlarge", 4, 0),
        ("vt1.3xlarge", 12, None),
        ("g6.xlage", None, None),
        ("g6.3xlarge", None, None),
        (f"i4i.{'9' * 5000}xlarge", None, None),
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
        ("g2-standard-96", 0, 96, 8),
        ("g2-standard-5", 0, None, None),
        ("g2-standard-²", 0, None, None),
        (f"a2-highgpu-{'9' * 5000}g", 0, None, None),
        ("a2-highgpu-4g", 0, None, 4),
        ("e2-medium", 0, None, 0),
        ("e2-standrad-4", 0, None, None),
        ("n1-custom-6-20480", 1, None, 1),
        ("c4-standard-8-lssd", 0, None, 0),
        ("ct5lp-hightpu-4t", 0, None, None),
        ("", 0, None, None),
    ],
)
def test_gcp_machines_are_known_by_name_and_accelerators(
    name: str, accelerators: int, cpus: int | None, gpus: int | None
) -> None:
    added = [{"acceleratorType": "nvidia-tesla-t4", "acceleratorCount": accelerators}] * bool(accelerators)
    assert gcp_machine(name, {"guestAccelerators": added}) == Capacity(cpus, gpus)


def test_without_botocore_families_alone_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep.cluster.cloud_machines.importlib.util.find_spec", lambda name: None)
    aws_types.cache_clear()
    try:
        assert aws_machine("g6.xlarge") == Capacity(4, 1)
    finally:
        aws_types.cache_clear()
