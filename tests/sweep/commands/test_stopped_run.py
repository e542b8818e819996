"""`respsweep train` that is told to stop: what it saves and says, and how it goes on."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model.training import training
from model.training.checkpoint import load_checkpoint
from tests.sweep.command_line import RECIPE, respsweep, written


def signals_after(monkeypatch: pytest.MonkeyPatch, steps: int, *numbers: signal.Signals) -> None:
    """Send this process these signals, one after the other, once so many steps are trained."""
    step, left = training.optimise_step, iter([0] * (steps - 1) + [1])

    def stepped(*arguments: Any) -> Any:
        try:
            return step(*arguments)
        finally:
            for number in numbers if next(left, 0) else ():
                os.kill(os.getpid(), number)

    monkeypatch.setattr(training, "optimise_step", stepped)


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, breaths: Path) -> Callable[..., int]:
    recipe = written("recipe.yaml", {"recipe": {**RECIPE, "batch_size": 16}})
    return lambda *options: respsweep(monkeypatch, "train", recipe, "--data", breaths, *options)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_run_stopped_in_an_epoch_ends_as_one_that_was_not(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    train: Callable[..., int],
    number: signal.Signals,
) -> None:
    options = ("--checkpoint", "run.pt", "--checkpoint-minutes", 1000)
    with monkeypatch.context() as patch:
        signals_after(patch, 2, number)
        assert train(*options) == os.EX_TEMPFAIL == 75
    told = capfd.readouterr()
    assert "stopping: the run is saved before its next batch; once more stops at once" in told.err
    assert told.err.splitlines()[-1].startswith("paused: saved in epoch 1 of 2: run.pt; ")
    assert load_checkpoint(Path("run.pt"))["begun"]["steps"] == 2
    assert train(*options) == 0
    assert train("--checkpoint", "whole.pt") == 0
    ours, theirs = (load_checkpoint(Path(name))["modules"] for name in ("run.pt", "whole.pt"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_run_that_is_stopped_twice_waits_for_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], train: Callable[..., int]
) -> None:
    signals_after(monkeypatch, 2, signal.SIGTERM, signal.SIGTERM)
    assert train("--checkpoint", "run.pt") not in (0, 75)
    assert not Path("run.pt").exists()
    assert "paused" not in capfd.readouterr().err


def test_a_run_that_is_saved_nowhere_is_ended_as_ever(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], train: Callable[..., int]
) -> None:
    signals_after(monkeypatch, 2, signal.SIGINT)
    assert train() not in (0, 75)
    assert "paused" not in capfd.readouterr().err
