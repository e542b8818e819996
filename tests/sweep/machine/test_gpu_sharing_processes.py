"""Real processes that train a tiny recipe together; what is asserted is that they did, not how fast."""

import multiprocessing
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
import yaml

from data.settings import parse
from data.synthetic import write_breaths
from model.training.recipe import Recipe
from sweep.cli import main
from sweep.machine import gpu_sharing_processes
from sweep.machine.gpu_sharing import GpuSharingError, Measurement
from sweep.machine.gpu_sharing_processes import (
    Workload,
    _with_checkpoint,
    measure,
    measure_sharing,
    workload,
)
from sweep.worker.gpu_facts import gpu_facts
from sweep.worker.prepared_data import DataPreparation, PreparedData
from tests.studies import TINY_RECIPE
from tests.sweep.worker.nvml import Card, FakeNVML

RECIPE = {**TINY_RECIPE, "batch_size": 4}


def tiny(prepared: PreparedData | None = None, seconds: float = 0.0, **changes: Any) -> Workload:
    return Workload(parse(Recipe, {**RECIPE, **changes}, "test"), prepared, "cpu", steps=2, seconds=seconds)


@pytest.fixture(scope="module")
def breaths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("breaths") / "data"
    write_breaths(folder, patients=12, seed=0)
    return folder


@pytest.fixture(scope="module")
def prepared(breaths: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    preparation = DataPreparation(breaths, tmp_path_factory.mktemp("cache"), progress=False)
    return preparation.prepare(parse(Recipe, RECIPE, "test"))


def test_processes_train_together_and_say_how_fast_and_how_large() -> None:
    one = measure(tiny(), 2, threads=1)
    assert (one.processes, one.threads, one.problem) == (2, 1, None)
    assert one.steps_per_second > 0
    assert one.peak > 100 * 2**20, "torch alone is larger"
    assert one.left > 0
    assert one.checkpoint_seconds > 0
    # Weights of the smallest network, and two moments beside each.
    assert one.checkpoint_bytes > 2**20
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_real_cycles_are_trained_on_when_they_are_given(prepared: PreparedData) -> None:
    assert measure(tiny(prepared), processes=1, threads=1).steps_per_second > 0


@pytest.mark.slow
def test_losses_over_patients_and_devices_are_measured_on_noise_and_on_few_cycles_of_one_device(
    prepared: PreparedData,
) -> None:
    on: dict[str, Any] = {"device_contrast": {"weight": 1.0}, "patient_alignment": {"cohesion_weight": 1.0}}
    for recordings in (None, prepared):
        measured = measure(tiny(recordings, **on), 1, 1)
        assert measured.problem is None
        assert measured.steps_per_second > 0


def test_units_are_measured_as_the_study_trains_them_and_why_no_graph_is_replayed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_sharing_processes, "workload", lambda *_: tiny())
    monkeypatch.setattr(gpu_sharing_processes, "cores_for_a_device", lambda _: 1)
    search = {"patch_mix.temperature": {"type": "float", "low": 0.05, "high": 0.5}}
    study: dict[str, Any] = {"recipe": RECIPE, "search": search}
    path = tmp_path / "study.yaml"
    for asked, told in (
        ("never", None),
        ("auto", "a CUDA graph needs a CUDA device, and this run has cpu"),
    ):
        path.write_text(yaml.safe_dump({**study, "resources": {"cuda_graphs": asked}}))
        sharing = measure_sharing(path, None)
        assert sharing.cuda_graphs is (asked == "auto")
        assert [one.why_plain for one in sharing.measurements] == [told]
    assert "UserWarning" not in capfd.readouterr().err


def test_a_captured_step_counts_as_memory_that_its_process_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda: 1)
    monkeypatch.setattr("torch.cuda.max_memory_reserved", lambda: 2)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (3, 4))
    training = SimpleNamespace(
        run_epoch=lambda: None,
        train=range(8),
        recipe=SimpleNamespace(batch_size=4),
        device=torch.device("cuda"),
        step_graph=SimpleNamespace(is_held=True),
        why_plain=None,
    )
    assert gpu_sharing_processes._train(cast("Any", training), 0.0, 2).peak == 2
    training.step_graph = None
    assert gpu_sharing_processes._train(cast("Any", training), 0.0, 2).peak == 1


def test_a_checkpoint_slows_the_steps_of_its_epoch_down() -> None:
    # 100 steps take 10 s, and the checkpoint 2.5 s.
    assert _with_checkpoint(10.0, 100, 2.5) == 8.0
    assert _with_checkpoint(10.0, 100, 0.0) == 10.0


def test_a_gpu_that_lets_one_process_in_is_not_measured_but_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    monkeypatch.setattr(
        gpu_sharing_processes, "workload", lambda recipe, prepared: replace(tiny(), device="cuda")
    )
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "A100")
    cards = [Card("A100", mode=3), Card("A100")]
    monkeypatch.setattr(gpu_sharing_processes, "gpu_facts", lambda: gpu_facts(FakeNVML(cards)))
    # The other one, which units could share, is not for this study.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(GpuSharingError, match=r"^GPU 0 \(A100\) lets one process in"):
        measure_sharing(tmp_path / "recipe.yaml", None)


@pytest.mark.slow
def test_weights_are_not_needed_to_measure() -> None:
    pretrained = {**RECIPE["backbone"], "pretrained": "nowhere.pth"}
    assert measure(tiny(backbone=pretrained), processes=1, threads=1).steps_per_second > 0


@pytest.mark.slow
def test_a_full_memory_is_a_result() -> None:
    # More than a process can address.
    features = {"duration_s": 60, "frame_shift_ms": 1, "n_mels": 1024, "target_frames": 32}
    one = measure(tiny(batch_size=10**6, features=features), processes=2, threads=1)
    assert one.problem is not None
    assert "can't allocate memory" in one.problem
    assert one.steps_per_second == 0


def test_a_recipe_that_cannot_be_trained_is_an_error(prepared: PreparedData) -> None:
    with pytest.raises(
        GpuSharingError, match=r"TrainingError: \d+ training cycles cannot fill one batch of 5000"
    ):
        measure(tiny(prepared, batch_size=5000), processes=1, threads=1)


def test_a_killed_process_is_taken_for_a_full_memory_and_the_others_end() -> None:
    found: list[Measurement] = []
    work = tiny(seconds=float("inf"))
    measuring = threading.Thread(target=lambda: found.append(measure(work, processes=2, threads=1)))
    measuring.start()
    while len(children := multiprocessing.active_children()) < 2:
        time.sleep(0.01)
    children[0].kill()
    measuring.join()
    assert found[0].problem == "a process was killed, as happens when the machine's memory is full"
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_the_command_says_what_to_write_into_the_study_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], breaths: Path
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sweep.machine.gpu_sharing_processes.SECONDS", 0.0)
    monkeypatch.setattr("sweep.machine.gpu_sharing_processes.cores_for_a_device", lambda device: 1)
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    Path("breaths").symlink_to(breaths)
    monkeypatch.setattr(sys, "argv", ["respsweep", "doctor", "--pack", "recipe.yaml", "--data", "breaths"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    printed = capfd.readouterr().out
    assert "recipe.yaml on cycles of breaths" in printed
    assert "in the study file: resources: {cpu: 1, " in printed


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_two_processes_share_a_gpu() -> None:
    recipe = parse(Recipe, {**RECIPE, "features": {"n_mels": 32, "target_frames": 32}}, "test")
    work = workload(recipe)
    assert work.device == "cuda"
    one = measure(work, processes=2, threads=1)
    assert one.problem is None
    assert one.steps_per_second > 0
    assert 0 < one.peak < torch.cuda.mem_get_info()[1]
