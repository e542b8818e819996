"""A step that is replayed from one capture trains as the plain step does."""

import copy
import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.called_again import CalledAgain
from data.batches import epoch_batches
from data.task import ICBHI
from model.training import step_graph
from model.training.checkpoint import load_checkpoint, save_checkpoint
from model.training.seeds import generator
from model.training.step_graph import why_not_captured
from model.training.training import Training
from tests.model.training.replayed_runs import NO_MIX, WAYS, assert_equal, run
from tests.model.training.tiny_run import recipe, tones


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
