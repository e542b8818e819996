"""Steps that are timed for a plan: alone, beside the units that share a GPU, or not at all."""

from dataclasses import replace

import pytest

from model.training.recipe import Recipe
from sweep.machine import step_times
from sweep.machine.gpu_sharing import GpuSharingError
from sweep.machine.step_times import StepTimes
from sweep.worker import gpu_facts
from sweep.worker.gpu_facts import GpuFacts
from tests.sweep.driver.planning import planned

pytestmark = pytest.mark.usefixtures("planning_machine")


def test_a_step_on_a_gpu_is_not_timed_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    plan = planned(probe=True, resources={"gpu": 1}, address="auto")
    assert plan.steps is None
    assert plan.warnings == ("no step was timed: units train on a GPU, and this machine has none",)


@pytest.fixture
def shared_gpu(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A machine with a GPU, of which the driver says that it may be shared; notes how many units are timed on it."""
    asked: list[int] = []

    def measure(recipe: Recipe, device: str, threads: int, units: int, cuda_graphs: bool) -> StepTimes:
        asked.append(units)
        return StepTimes(
            *(device, threads, 0.5 * units, 0.01, 0.25),
            checkpoint_bytes=1,
            weights_bytes=1,
            units=units,
            why_plain="it gives other numbers" if cuda_graphs else None,
        )

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(gpu_facts, "gpu_facts", lambda: [GpuFacts(0, "A100", 2**35, "shared", None)])
    monkeypatch.setattr(step_times, "time_shared_steps", measure)
    return asked


@pytest.mark.parametrize(("gpu", "workers", "units"), [(0.25, 8, 4), (0.25, 3, 3), (1, 8, 1), (0.3333, 8, 3)])
def test_units_that_share_a_gpu_are_timed_beside_each_other(
    shared_gpu: list[int], gpu: float, workers: int, units: int
) -> None:
    plan = planned(probe=True, resources={"gpu": gpu}, workers=workers, address="auto")
    assert shared_gpu == [units]
    assert plan.warnings == ()
    assert (f"timed here on a GPU that {units} units share, " in str(plan)) is (units > 1)


def test_a_plan_says_why_steps_were_not_timed_from_a_graph_that_the_study_asks_for(
    shared_gpu: list[int],
) -> None:
    asks = {"gpu": 0.5, "cuda_graphs": "auto"}
    plan = planned(probe=True, resources=asks, workers=2, address="auto")
    assert shared_gpu == [2]
    assert plan.warnings == (
        "timed without a CUDA graph, for which resources.cuda_graphs asks: it gives other numbers",
    )


def test_a_gpu_that_lets_one_process_in_is_told_and_timed_with_one(
    shared_gpu: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, open_to_all = (GpuFacts(number, "A100", 2**35, "exclusive", None) for number in (0, 1))
    open_to_all = replace(open_to_all, mode="shared")
    monkeypatch.setattr(gpu_facts, "gpu_facts", lambda: [alone, open_to_all])
    # The other one is not for this study.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    plan = planned(probe=True, resources={"gpu": 0.25}, workers=8, address="auto")
    assert shared_gpu == [1]
    assert plan.warnings[0].startswith("GPU 0 (A100) lets one process in (compute mode exclusive)")


def test_units_that_do_not_fit_on_a_gpu_together_are_told_and_timed_with_one(
    shared_gpu: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(*_: object) -> StepTimes:
        raise GpuSharingError("4 units at a time on one device: CUDA out of memory")

    alone = StepTimes("cuda", 1, 0.5, 0.01, 0.25, checkpoint_bytes=1, weights_bytes=1)
    monkeypatch.setattr(step_times, "time_shared_steps", too_many)
    monkeypatch.setattr(step_times, "time_steps", lambda *_: alone)
    plan = planned(probe=True, resources={"gpu": 0.25}, workers=8, address="auto")
    assert plan.steps == alone
    assert plan.warnings == (
        "timed with one unit alone: 4 units at a time on one device: CUDA out of memory",
    )


def test_a_batch_that_does_not_fit_here_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> StepTimes:
        raise MemoryError

    monkeypatch.setattr(step_times, "time_steps", full)
    (line,) = planned(probe=True).warnings
    assert line.startswith("no step was timed: a batch of 16 does not fit the memory of this machine")
