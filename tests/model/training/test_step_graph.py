"""A step that is replayed from one capture trains as the plain step does, or is found out and given up."""

import copy
import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from data.batches import epoch_batches
from data.task import ICBHI
from model.training import step_graph
from model.training import training as training_module
from model.training.checkpoint import load_checkpoint, save_checkpoint
from model.training.seeds import generator
from model.training.step_graph import StepGraph, why_not_captured
from model.training.training import Training
from tests.model.training.captures import CalledAgain
from tests.model.training.tiny_run import recipe, tones, without_time

NO_MIX: dict[str, Any] = {"patch_mix": {"axes": []}, "smoothing": {"stage": None}}
WAYS: dict[str, dict[str, Any]] = {
    "dass, both axes": {},
    "dass, bf16": {"precision": "bf16"},
    "dass, form paper": {"patch_mix": {"form": "paper", "axes": ["time", "cells"]}},
    "dass, form paper_inverse": {"patch_mix": {"form": "paper_inverse", "negatives": "different_label"}},
    "dass, batch norm, sam": {
        "backbone": {"variant": "tiny", "drop_path_rate": 0.1, "stem": "batch_norm"},
        "optimiser": {"learning_rate": 1e-3, "sam_rho": 0.05, "clip_norm": 1.0, "weight_blend": 0.2},
    },
    "ast, mixup": {"backbone": {"name": "ast", "variant": "tiny"}, "mixup": {"alpha": 0.4}, **NO_MIX},
    "cnn_tsa": {"backbone": {"name": "cnn_tsa", "variant": "tiny"}, "smoothing": {"stage": None}},
    "cnn_tsa, sam": {
        "backbone": {"name": "cnn_tsa", "variant": "tiny"},
        "optimiser": {"sam_rho": 0.05, "sam_adaptive": True},
        **NO_MIX,
    },
    "beats": {"backbone": {"name": "beats", "variant": "tiny"}, **NO_MIX},
    "focal loss": {"loss": {"focal_gamma": 2.0, "class_weights": "inverse_frequency"}},
}


def run(cycles: int = 29, capture: Any = None, **changes: Any) -> Training:
    """Begin a run of batches of 8, and a smaller last one; with `capture` its steps are replayed."""
    settings = recipe(**{"sampling": {"drop_last": False}, "epochs": 2, **changes})
    training = Training(settings, 1, tones(cycles, 0), tones(8, 1), device="cpu", task=ICBHI)
    if capture is not None:
        training.step_graph = graph_of(training, capture)
    return training


def graph_of(training: Training, capture: Any) -> StepGraph:
    return StepGraph(training.modules, training.recipe.batch_size, training.device, capture)


def assert_equal(one: Training, other: Training) -> None:
    assert without_time(one.history) == without_time(other.history)
    torch.testing.assert_close(one.modules.state_dict(), other.modules.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(one.optimiser.state_dict(), other.optimiser.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_is_replayed_equals_the_plain_run_bit_for_bit(way: str) -> None:
    capture = CalledAgain()
    plain, replayed = run(**WAYS[way]), run(capture=capture, **WAYS[way])
    for _ in range(2):
        plain.run_epoch()
        replayed.run_epoch()
    assert_equal(replayed, plain)
    assert replayed.step_graph is not None
    assert replayed.step_graph.trouble is None
    # Three full batches an epoch; each is replayed, be it as a check, and the last batch of five never is.
    passes = 2 if plain.recipe.optimiser.sam_rho else 1
    assert capture.replays == passes * 6


@pytest.mark.parametrize(
    "changes",
    [{"frozen": {"encoder": True, "hidden": 8, "dropout": 0.2}}, {"lora": {"rank": 2}}],
    ids=["frozen", "lora"],
)
def test_a_head_on_a_frozen_encoder_and_low_rank_pairs_are_replayed_too(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    backbone: dict[str, Any] = {"name": "ast", "variant": "tiny"}
    save_checkpoint(tmp_path / "run.pt", run(backbone=backbone, **NO_MIX).state_dict())
    backbone |= {"pretrained": str(tmp_path / "run.pt")}
    settings = {"augment": {"probability": 0}, **NO_MIX}
    if "lora" in changes:
        settings["backbone"] = {**backbone, **changes}
    else:
        settings |= {"backbone": backbone, **changes}
    capture = CalledAgain()
    plain, replayed = run(**settings), run(capture=capture, **settings)
    for training in (plain, replayed):
        training.run_epoch()
        training.run_epoch()
    assert_equal(replayed, plain)
    assert capture.replays == 6


@pytest.mark.parametrize(("replays", "then"), [(1, [0, 1, 4]), (2, [0, 1])])
def test_two_batches_are_trained_plainly_beside_the_graph_and_then_one_after_so_many_replays(
    monkeypatch: pytest.MonkeyPatch, replays: int, then: list[int]
) -> None:
    monkeypatch.setattr(step_graph, "CHECKED_AGAIN", replays)
    replayed = run(capture=CalledAgain())
    plainly: list[int] = []
    original = step_graph.Outcome.is_finite

    def noted(self: Any) -> bool:
        plainly.append(sum(int(one["step"]) for one in [*replayed.optimiser.state.values()][:1]))
        return original(self)

    monkeypatch.setattr(step_graph.Outcome, "is_finite", noted)
    replayed.run_epoch()
    assert plainly == [0, 1]
    replayed.run_epoch()
    assert plainly == then


def test_an_epoch_paused_under_a_graph_goes_on_with_one_or_without(tmp_path: Path) -> None:
    settings = WAYS["dass, batch norm, sam"]
    whole, first = run(**settings), run(capture=CalledAgain(), **settings)
    whole.run_epoch()
    whole.run_epoch()
    first.run_epoch()
    asked = iter([False, False, True])
    assert first.run_epoch_unless(lambda: next(asked)) is None
    save_checkpoint(tmp_path / "checkpoint.pt", first.state_dict())
    for capture in (None, CalledAgain()):
        torch.manual_seed(99)
        second = run(capture=capture, **settings)
        second.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
        second.run_epoch()
        assert_equal(second, whole)
    # In the process that paused the captured step is there still.
    first.run_epoch()
    assert_equal(first, whole)


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


def test_where_there_is_no_memory_for_graph_and_plain_step_the_graph_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    capture = CalledAgain()
    plain, replayed = run(**WAYS["cnn_tsa, sam"]), run(capture=capture, **WAYS["cnn_tsa, sam"])
    plain.run_epoch()
    original = step_graph.StepGraph._pass

    def full(self: StepGraph, *arguments: Any) -> Any:
        if self.is_held and capture.replays == 2:
            torch.rand(5)
            raise torch.OutOfMemoryError("CUDA out of memory")
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


def test_a_plain_step_that_finds_no_memory_by_itself_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("model.training.training.objective", full)
    with pytest.warns(UserWarning, match="no memory"), pytest.raises(torch.OutOfMemoryError):
        run(capture=CalledAgain()).run_epoch()


def test_a_state_that_is_loaded_over_a_captured_step_is_gone_on_from() -> None:
    settings = WAYS["cnn_tsa, sam"]
    plain, replayed = run(**settings), run(capture=CalledAgain(), **settings)
    beginning = copy.deepcopy(plain.state_dict())
    for training in (plain, replayed):
        training.run_epoch()
        training.load_state_dict(copy.deepcopy(beginning))
        training.run_epoch()
        training.run_epoch()
    assert_equal(replayed, plain)
    assert replayed.step_graph is not None
    assert replayed.step_graph.is_held


def test_weights_that_moved_in_memory_end_the_graph() -> None:
    replayed = run(capture=CalledAgain())
    replayed.run_epoch()
    weight = next(replayed.modules.parameters())
    weight.data = weight.data.clone()
    with pytest.warns(UserWarning, match="weights lie elsewhere in memory"):
        replayed.run_epoch()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_batch_whose_numbers_are_not_finite_checks_nothing_and_is_skipped_as_ever(place: int) -> None:
    settings = WAYS["dass, batch norm, sam"]
    capture = CalledAgain()
    plain, replayed = run(**settings), run(capture=capture, **settings)
    order = epoch_batches(plain.train.labels, 8, plain.recipe.sampling, generator(plain.seed, "batches", 1))
    for training in (plain, replayed):
        training.train.features[order[place][0]] = float("nan")
        asked = iter([False] * 3 + [True])
        assert training.run_epoch_unless(lambda asked=asked: next(asked)) is None
    begun = [training.state_dict()["begun"] for training in (plain, replayed)]
    assert begun[0]["skipped"] == begun[1]["skipped"] == 1
    torch.testing.assert_close(begun[0]["sums"], begun[1]["sums"], rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(replayed.modules.state_dict(), plain.modules.state_dict(), rtol=0, atol=0)
    # A pass of two over the batch that was skipped, and where it was to be checked none.
    assert capture.replays == (4 if place < 2 else 5)


def test_losses_of_a_replay_outlive_the_next_one() -> None:
    replayed = run(capture=CalledAgain(), cycles=48)
    kept: list[Tensor] = []
    values: list[float] = []
    assert replayed.step_graph is not None
    graph, original = replayed.step_graph, replayed.step_graph.of

    def of(eager: Any, batch: Any) -> Any:
        closure = original(eager, batch)

        def told() -> Any:
            losses = closure()
            kept.append(losses.total)
            values.append(float(losses.total))
            return losses

        return told

    graph.of = of  # pyright: ignore[reportAttributeAccessIssue]
    replayed.run_epoch()
    assert [float(one) for one in kept] == values
    assert len(set(values)) == 6


def test_a_run_and_its_graph_are_gone_when_nobody_holds_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next unit of a process needs the memory, before the garbage collector comes by."""

    def captured(function: Any, device: torch.device) -> Any:
        return function(), lambda: None

    monkeypatch.setattr(step_graph, "fault_of", lambda *_: None)
    replayed = run(capture=captured, cycles=24)
    replayed.run_epoch()
    assert replayed.step_graph is not None
    assert replayed.step_graph.is_held
    gone = weakref.ref(replayed.step_graph)
    gc.disable()
    try:
        del replayed
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("changes", "device", "given", "reason"),
    [
        ({}, "cpu", {}, "a CUDA graph needs a CUDA device, and this run has cpu"),
        ({}, "cuda", {"accumulate": 4}, "in 4 chunks"),
        ({}, "cuda", {"domain": True}, "differ in shape from batch to batch"),
        ({}, "cuda", {"cycles": 7}, "7 training cycles never fill a batch of 8"),
        ({"backbone": {"name": "tests.own_parts:Plain"}, **NO_MIX}, "cuda", {}, "a network of your own"),
        ({"backbone": {"variant": "tiny", "scan_engine": "reference"}}, "cuda", {}, "runs by reference"),
    ],
)
def test_what_cannot_be_captured_is_known_beforehand(
    changes: dict[str, Any], device: str, given: dict[str, Any], reason: str
) -> None:
    asked = {"accumulate": 1, "domain": False, "cycles": 29, **given}
    told = why_not_captured(recipe(**changes), torch.device(device), **asked)
    assert told is not None
    assert reason in told


def test_a_network_without_a_scan_may_be_captured_on_a_gpu() -> None:
    settings = recipe(**WAYS["ast, mixup"])
    assert why_not_captured(settings, torch.device("cuda"), accumulate=1, domain=False, cycles=29) is None


def test_who_asks_for_graphs_on_a_cpu_is_told_and_trains_as_ever() -> None:
    with pytest.warns(UserWarning, match="not replayed from a CUDA graph: a CUDA graph needs a CUDA device"):
        asked = Training(recipe(), 1, tones(8, 0), tones(8, 1), device="cpu", task=ICBHI, cuda_graphs=True)
    plain = Training(recipe(), 1, tones(8, 0), tones(8, 1), device="cpu", task=ICBHI)
    asked.run_epoch()
    plain.run_epoch()
    assert_equal(asked, plain)
    assert asked.identity == plain.identity


needs_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
ON_A_GPU = ["dass, both axes", "dass, form paper", "dass, batch norm, sam", "ast, mixup", "cnn_tsa", "beats"]


def on_a_gpu(*, graphs: bool, cycles: int = 53, **changes: Any) -> Training:
    settings = recipe(**{"sampling": {"drop_last": False}, "epochs": 2, **changes})
    data = tones(cycles, 0), tones(8, 1)
    return Training(settings, 1, *data, device="cuda", task=ICBHI, cuda_graphs=graphs)


@pytest.mark.gpu
@needs_a_gpu
@pytest.mark.parametrize("way", ON_A_GPU)
def test_on_a_gpu_a_captured_step_is_believed_and_trains_as_the_plain_one(way: str) -> None:
    plain, replayed = (on_a_gpu(graphs=graphs, **WAYS[way]) for graphs in (False, True))
    for _ in range(2):
        expected, found = plain.run_epoch(), replayed.run_epoch()
        # A GPU adds up in an order of its own.
        assert found.train_loss == pytest.approx(expected.train_loss, rel=1e-3)
    assert replayed.step_graph is not None
    assert replayed.step_graph.trouble is None
    assert replayed.step_graph.is_held


@pytest.mark.gpu
@needs_a_gpu
def test_on_a_gpu_an_epoch_paused_under_a_graph_goes_on_without_one(tmp_path: Path) -> None:
    whole, first = on_a_gpu(graphs=False), on_a_gpu(graphs=True)
    whole.run_epoch()
    asked = iter([False] * 4 + [True])
    assert first.run_epoch_unless(lambda: next(asked)) is None
    save_checkpoint(tmp_path / "checkpoint.pt", first.state_dict())
    for graphs in (False, True):
        torch.cuda.manual_seed(99)
        second = on_a_gpu(graphs=graphs)
        second.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
        assert second.run_epoch().train_loss == pytest.approx(whole.history[0].train_loss, rel=1e-3)


@pytest.mark.gpu
@needs_a_gpu
def test_on_a_gpu_the_memory_of_a_graph_is_free_when_its_run_is_gone() -> None:
    def held() -> int:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        return torch.cuda.memory_reserved()

    on_a_gpu(graphs=True).run_epoch()
    before = held()
    replayed = on_a_gpu(graphs=True)
    replayed.run_epoch()
    assert held() > before
    del replayed
    assert held() == before


@pytest.mark.gpu
@needs_a_gpu
@pytest.mark.parametrize("in_capture", [False, True], ids=["in warm-up", "in the capture"])
def test_on_a_gpu_a_step_that_waits_for_the_device_is_not_captured_and_the_plain_step_goes_on(
    monkeypatch: pytest.MonkeyPatch, in_capture: bool
) -> None:
    original = torch.nn.functional.cross_entropy

    def waits(logits: Tensor, *arguments: Any, **named: Any) -> Tensor:
        if torch.cuda.is_current_stream_capturing() or not in_capture:
            assert logits.sum().item() is not None
        return original(logits, *arguments, **named)

    monkeypatch.setattr("model.training.losses.functional.cross_entropy", waits)
    plain, replayed = (on_a_gpu(graphs=graphs, cycles=24) for graphs in (False, True))
    plain.run_epoch()
    with pytest.warns(UserWarning, match="no training step is replayed.*cannot be captured"):
        found = replayed.run_epoch()
    # Drop path still draws, on the stream that all else runs on.
    assert found.train_loss == pytest.approx(plain.history[0].train_loss, rel=1e-3)
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
