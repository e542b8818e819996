"""A graph that goes wrong, or has no room, is found out and given up, and the plain step goes on."""

from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.called_again import CalledAgain
from model.training import step_graph
from model.training import training as training_module
from model.training.step_graph import StepGraph
from tests.model.training.replayed_runs import WAYS, assert_equal, run


@pytest.mark.parametrize(
    ("baked", "changes"),
    [
        (0, {}),
        (1, {}),
        *((place, {}) for place in range(2, 8)),
        (2, {"mixup": {"alpha": 0.4}, "patch_mix": {"axes": []}}),
        (3, {"mixup": {"alpha": 0.4}, "patch_mix": {"axes": []}}),
    ],
)
def test_whatever_a_capture_bakes_in_is_found_before_it_trains_anything(
    monkeypatch: pytest.MonkeyPatch, baked: int, changes: dict[str, Any]
) -> None:
    """Of inputs, labels, and then the partners, cells and share of each mix, one stays what it was at the capture."""
    original = step_graph.tensors_of

    def load(self: Any, batch: Any) -> None:
        for place, (held, value) in enumerate(zip(original(self.batch), original(batch), strict=True)):
            if place != baked:
                held.copy_(value)

    monkeypatch.setattr(step_graph._Held, "load", load)
    capture = CalledAgain()
    plain, replayed = run(**changes), run(capture=capture, **changes)
    plain.run_epoch()
    with pytest.warns(UserWarning, match="replayed, it gives other numbers: .* is off by .* is allowed"):
        replayed.run_epoch()
    assert_equal(replayed, plain)
    assert capture.replays <= 2
    assert replayed.step_graph is not None
    assert not replayed.step_graph.is_held


def test_a_graph_that_goes_wrong_later_is_found_in_the_next_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_graph, "CHECKED_AGAIN", 3)

    class Tires(CalledAgain):
        """Leaves the gradients of the last replay from the fifth one on."""

        def __call__(self, function: Any, device: torch.device) -> Any:
            results, again = super().__call__(function, device)
            return results, lambda: again() if self.replays < 4 else None

    replayed = run(cycles=40, capture=Tires(), backbone={"variant": "tiny", "drop_path_rate": 0.0})
    replayed.run_epoch()
    with pytest.warns(
        UserWarning, match="it gives other numbers.*; since it last agreed, 3 passes were replayed"
    ):
        replayed.run_epoch()


def test_a_replay_that_draws_another_count_of_numbers_is_given_up() -> None:
    class Draws(CalledAgain):
        def __call__(self, function: Any, device: torch.device) -> Any:
            results, again = super().__call__(function, device)

            def replay() -> None:
                again()
                torch.rand(3)

            return results, replay

    plain, replayed = run(), run(capture=Draws())
    plain.run_epoch()
    with pytest.warns(UserWarning, match="other numbers: it draws another count of random numbers"):
        replayed.run_epoch()
    assert_equal(replayed, plain)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("operation not permitted when stream is capturing"), torch.OutOfMemoryError("full")],
)
def test_a_capture_that_fails_leaves_the_plain_run(error: Exception) -> None:
    def fails(function: Any, device: torch.device) -> Any:
        function()
        raise error

    plain, replayed = run(**WAYS["cnn_tsa"]), run(capture=fails, **WAYS["cnn_tsa"])
    plain.run_epoch()
    with pytest.warns(UserWarning, match=r"cannot be captured \((RuntimeError|OutOfMemoryError): ") as told:
        replayed.run_epoch()
    assert len(told) == 1
    plain.run_epoch()
    replayed.run_epoch()
    assert_equal(replayed, plain)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED")],
)
def test_where_there_is_no_memory_for_graph_and_plain_step_the_graph_goes(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    capture = CalledAgain()
    plain, replayed = run(**WAYS["cnn_tsa, sam"]), run(capture=capture, **WAYS["cnn_tsa, sam"])
    plain.run_epoch()
    original = step_graph.StepGraph._pass

    def full(self: StepGraph, *arguments: Any) -> Any:
        if self.is_held and capture.replays == 2:
            torch.rand(5)
            raise error
        return original(self, *arguments)

    monkeypatch.setattr(step_graph.StepGraph, "_pass", full)
    with pytest.warns(UserWarning, match="there is no memory for it beside the plain step"):
        replayed.run_epoch()
    assert_equal(replayed, plain)


def test_where_there_is_no_memory_for_graph_and_smaller_batch_the_graph_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = WAYS["dass, batch norm, sam"]
    plain, replayed = run(**settings), run(capture=CalledAgain(), **settings)
    plain.run_epoch()
    original = training_module.objective

    def full(model: Any, projector: Any, inputs: Tensor, *arguments: Any) -> Any:
        losses = original(model, projector, inputs, *arguments)
        assert replayed.step_graph is not None
        if replayed.step_graph.is_held and len(inputs) < 8:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return losses

    monkeypatch.setattr(training_module, "objective", full)
    with pytest.warns(UserWarning, match="there is no memory for it beside the plain step") as told:
        replayed.run_epoch()
    assert len(told) == 1
    assert_equal(replayed, plain)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED")],
)
@pytest.mark.parametrize(
    ("work", "named"),
    [("predict", "the scoring of cycles"), ("validation_sharpness", "the measurement of sharpness")],
)
def test_where_there_is_no_memory_for_graph_and_validation_the_graph_goes_and_the_run_stays_whole(
    monkeypatch: pytest.MonkeyPatch, work: str, named: str, error: Exception
) -> None:
    settings = {**WAYS["cnn_tsa"], "sharpness_rho": 0.05}
    plain, replayed = run(**settings), run(capture=CalledAgain(), **settings)
    plain.run_epoch()
    plain.run_epoch()
    original = getattr(training_module, work)
    chunks: list[int] = []

    def full(*arguments: Any, **options: Any) -> Any:
        assert replayed.step_graph is not None
        if replayed.step_graph.is_held:
            raise error
        chunks.append(options["chunks"])
        return original(*arguments, **options)

    monkeypatch.setattr(training_module, work, full)
    with pytest.warns(UserWarning, match=f"there is no memory for it beside {named}") as told:
        assert [replayed.run_epoch().epoch for _ in range(2)] == [1, 2]
    assert len(told) == 1
    assert set(chunks) == {1}
    assert replayed.why_plain == f"there is no memory for it beside {named}"
    assert_equal(replayed, plain)


def test_scoring_that_finds_no_memory_without_a_graph_too_is_told_as_such_and_another_error_as_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(training_module, "predict", broken)
    error: Exception = torch.OutOfMemoryError("CUDA out of memory")
    with pytest.warns(UserWarning, match="no memory"), pytest.raises(torch.OutOfMemoryError):
        run(capture=CalledAgain()).run_epoch()
    error = RuntimeError("an illegal memory access")
    replayed = run(capture=CalledAgain())
    with pytest.raises(RuntimeError, match="an illegal memory access"):
        replayed.run_epoch()
    assert replayed.why_plain is None


def test_a_plain_step_that_finds_no_memory_by_itself_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("model.training.training.objective", full)
    with pytest.warns(UserWarning, match="no memory"), pytest.raises(torch.OutOfMemoryError):
        run(capture=CalledAgain()).run_epoch()


def test_weights_that_moved_in_memory_end_the_graph() -> None:
    replayed = run(capture=CalledAgain())
    replayed.run_epoch()
    weight = next(replayed.modules.parameters())
    weight.data = weight.data.clone()
    with pytest.warns(UserWarning, match="weights lie elsewhere in memory"):
        replayed.run_epoch()
