"""What a training step takes, timed on the smallest network."""

import os
import tempfile
from pathlib import Path

import pytest
import torch

from benchmarks.called_again import CalledAgain
from model.training.recipe import Recipe
from sweep.machine import step_times
from sweep.machine.gpu_sharing import GpuSharingError, Measurement
from sweep.machine.step_times import StepTimes, can_time, time_shared_steps, time_steps
from tests.studies import TINY_RECIPE


def test_a_step_a_cycle_and_a_checkpoint_take_time_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # What is missing here would be missed: no weights are read.
    recipe = Recipe.model_validate(
        {**TINY_RECIPE, "backbone": {"variant": "tiny", "pretrained": "gone.pth"}, "batch_size": 4}
    )
    times = time_steps(recipe, "cpu", threads=2)
    assert (times.device, times.threads, torch.get_num_threads()) == ("cpu", 2, 1)
    assert min(times.step_seconds, times.cycle_seconds, times.checkpoint_seconds) > 0
    # Two moments beside each weight.
    assert times.checkpoint_bytes > 3 * times.weights_bytes
    assert [*tmp_path.rglob("*.pt")] == []


def test_a_head_is_what_a_unit_leaves_and_its_frozen_encoder_is_kept_once() -> None:
    content = {
        **TINY_RECIPE,
        "backbone": {"variant": "tiny", "pretrained": "gone.pth"},
        "augment": {"probability": 0},
        "patch_mix": {"axes": []},
        "batch_size": 4,
    }
    whole = time_steps(Recipe.model_validate(content), "cpu", threads=1)
    assert whole.encoder_bytes == 0
    frozen = time_steps(Recipe.model_validate({**content, "frozen": {"encoder": True}}), "cpu", threads=1)
    # Standardisation, and a linear layer with four answers, over 128 features.
    assert frozen.weights_bytes == 4 * (128 + 128 + 4 * 128 + 4)
    assert frozen.encoder_bytes == pytest.approx(whole.weights_bytes, rel=0.01)


def test_units_that_share_a_device_are_slower_each_by_what_they_lose_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = StepTimes("cpu", 1, 2.0, 0.5, 0.25, checkpoint_bytes=1, weights_bytes=1)
    together = {
        1: Measurement(1, 1, 9.0, training_steps_per_second=10.0),
        4: Measurement(4, 1, 11.0, training_steps_per_second=16.0, checkpoint_seconds=0.75),
    }
    monkeypatch.setattr(step_times, "time_steps", lambda *_: alone)
    monkeypatch.setattr(step_times, "_timed_apart", lambda *_: alone)
    monkeypatch.setattr(step_times, "measure", lambda work, units, threads: together[units])
    recipe = Recipe.model_validate(TINY_RECIPE)
    shared = time_shared_steps(recipe, "cpu", 1, units=4)
    # Each does 4 steps a second instead of 10, checkpoints aside, which come on top.
    assert (shared.step_seconds, shared.cycle_seconds) == (5.0, 1.25)
    assert (shared.checkpoint_seconds, shared.units) == (0.75, 4)
    assert time_shared_steps(recipe, "cpu", 1, units=1) == alone
    together[4] = Measurement(4, 1, problem="CUDA out of memory")
    with pytest.raises(GpuSharingError, match=r"^4 units at a time on one device: CUDA out of memory"):
        time_shared_steps(recipe, "cpu", 1, units=4)


@pytest.mark.slow
def test_two_processes_share_this_machine_and_this_one_trains_nothing_beside_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def here(*_: object, **__: object) -> None:
        raise AssertionError("what was trained here would keep memory of the device")

    monkeypatch.setattr(step_times, "SECONDS", 0.0)
    monkeypatch.setattr(step_times, "training_of_few_cycles", here)
    times = time_shared_steps(
        Recipe.model_validate({**TINY_RECIPE, "batch_size": 4}), "cpu", threads=1, units=2
    )
    assert times.units == 2
    assert times.step_seconds > 0


def die(*_: object) -> StepTimes:
    os._exit(3)


def test_steps_are_timed_from_a_graph_where_that_is_asked_for_once_it_is_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = Recipe.model_validate({**TINY_RECIPE, "batch_size": 4})
    told = time_steps(recipe, "cpu", 1, cuda_graphs=True)
    assert told.why_plain == "a CUDA graph needs a CUDA device, and this run has cpu"
    assert time_steps(recipe, "cpu", 1).why_plain is None

    capture, replays = CalledAgain(), list[int]()
    original = step_times.pairwise

    def timed(asked: list[float]) -> object:
        replays.extend([capture.replays, len(asked) - 1])
        return original(asked)

    monkeypatch.setattr("model.training.training.why_not_captured", lambda *_, **__: None)
    monkeypatch.setattr("model.training.step_graph.cuda_capture", capture)
    monkeypatch.setattr(step_times, "SECONDS", 1e6)
    monkeypatch.setattr(step_times, "pairwise", timed)
    assert time_steps(recipe, "cpu", 1, cuda_graphs=True).why_plain is None
    # Two checks come before four steps that are timed.
    assert replays == [6, 4]


def test_a_process_that_dies_while_one_unit_is_timed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_times, "time_steps", die)
    with pytest.raises(GpuSharingError, match="a process that trained one unit alone died"):
        time_shared_steps(Recipe.model_validate(TINY_RECIPE), "cpu", threads=1, units=2)


def test_an_epoch_is_the_sum_of_its_parts() -> None:
    times = StepTimes("cpu", 1, 2.0, 0.5, 0.25, checkpoint_bytes=1, weights_bytes=1)
    assert times.epoch_seconds(steps=3, cycles=4, saved=False) == 8.0
    assert times.epoch_seconds(steps=3, cycles=4, saved=True) == 8.25


def test_a_gpu_can_be_timed_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_time("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert not can_time("cuda")
