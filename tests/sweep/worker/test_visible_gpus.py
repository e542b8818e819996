"""Which GPUs and slices CUDA_VISIBLE_DEVICES shows, of a machine with three GPUs of which one is cut."""

import pytest

from sweep.worker.gpu_facts import gpu_facts
from sweep.worker.visible_gpus import visible_gpus
from tests.sweep.worker.nvml import Card, FakeNVML

CARDS = [
    Card("A100", uuid="GPU-aa11"),
    Card("A100", uuid="GPU-ab22", mig=1, slices=[("one", 2**32), ("two", 2**32), ("three", 2**33)]),
    Card("A100", uuid="GPU-cc33", mode=3),
]
SLICES = ("MIG-one", "MIG-two", "MIG-three")


def shown(environment: dict[str, str], cards: list[Card] = CARDS) -> dict[int, tuple[str, ...] | None]:
    """Slices of each GPU that is shown, by its number; None of a whole one."""
    return {
        gpu.number: None if gpu.slices is None else tuple(part.uuid for part in gpu.slices)
        for gpu in visible_gpus(gpu_facts(FakeNVML(cards)), environment)
    }


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (None, {0: None, 1: SLICES, 2: None}),
        ("", {}),
        ("-1", {}),
        ("NoDevFiles", {}),
        ("2, 0", {0: None, 2: None}),
        ("1", {1: SLICES}),
        # What follows an entry that names nothing is not read.
        ("0,7,2", {0: None}),
        ("GPU-cc33", {2: None}),
        ("GPU-c", {2: None}),
        # Two begin so.
        ("GPU-cc33,GPU-a,0", {2: None}),
        ("MIG-two", {1: ("MIG-two",)}),
        ("MIG-three,MIG-one,GPU-cc33", {1: ("MIG-one", "MIG-three"), 2: None}),
        ("MIG-t,MIG-one", {}),
        ("MIG-GPU-ab22/7/0", {1: SLICES}),
    ],
)
def test_what_cuda_shows(named: str | None, expected: dict[int, tuple[str, ...] | None]) -> None:
    assert shown({} if named is None else {"CUDA_VISIBLE_DEVICES": named}) == expected


def test_slices_for_others_are_counted() -> None:
    (gpu,) = visible_gpus(gpu_facts(FakeNVML(CARDS)), {"CUDA_VISIBLE_DEVICES": "MIG-two"})
    assert gpu.hidden == 2
    (gpu,) = visible_gpus(gpu_facts(FakeNVML(CARDS)), {"CUDA_VISIBLE_DEVICES": "1"})
    assert gpu.hidden == 0


def test_numbers_are_those_of_nvml_only_where_cuda_counts_in_its_order() -> None:
    kinds = [Card("A100"), Card("T4")]
    assert shown({"CUDA_VISIBLE_DEVICES": "1"}, kinds) == {0: None, 1: None}
    in_order = {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert shown(in_order, kinds) == {1: None}


def test_without_other_words_the_environment_of_this_process_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    (gpu,) = visible_gpus(gpu_facts(FakeNVML(CARDS)))
    assert gpu.mode == "exclusive"
