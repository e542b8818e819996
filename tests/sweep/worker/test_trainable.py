import dataclasses
import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks.called_again import CalledAgain
from data.batches import Examples
from data.settings import parse
from evidence.objectives import OBJECTIVES
from model.training import training as training_module
from model.training.recipe import Recipe
from sweep.config.study_parts import ResourcesConfig
from sweep.storage.storage import RefusedError
from sweep.study.epoch_report import completed
from sweep.study.score_table import METRICS
from sweep.worker.checkpoint import UnitCheckpoint
from sweep.worker.local_data import load_examples
from sweep.worker.machine_errors import FullCacheError
from sweep.worker.prepared_data import DataPreparationError, PreparedData
from sweep.worker.step_result import Failed, Finished, FullDisk, OutOfMemory
from sweep.worker.trainable import UnitTrainable
from sweep.worker.unit_config import CHUNKS, unit_config
from sweep.worker.weights import Weights
from tests.sweep.worker.units import RECIPE, config, reports, step


def test_a_unit_reports_each_epoch_and_says_which_one_counts(prepared: PreparedData, tmp_path: Path) -> None:
    unit = UnitTrainable(config(prepared, tmp_path))
    first, second = step(unit), step(unit)
    assert [report["epoch"] for report in first.reports] == [1]
    assert [report["epoch"] for report in second.reports] == [2]
    assert set(METRICS) <= set(first.reports[0])
    assert (first.ending, second.ending) == (None, Finished(2))


def test_a_unit_that_is_to_measure_sharpness_reports_it_with_its_last_epoch(
    prepared: PreparedData, tmp_path: Path
) -> None:
    unit = UnitTrainable(config(prepared, tmp_path, sharpness_rho=0.05))
    (first,), (second,) = reports(unit), reports(unit)
    assert "sharpness" not in first
    assert second["sharpness"] > 0


def test_a_unit_of_another_study_has_no_test_part(prepared: PreparedData, tmp_path: Path) -> None:
    unit = UnitTrainable(config(prepared, tmp_path) | {"leak": str(tmp_path / "leak")})
    step(unit)
    assert not (tmp_path / "leak").exists()


def test_a_process_is_used_again_for_the_next_unit(prepared: PreparedData, tmp_path: Path) -> None:
    unit = UnitTrainable(config(prepared, tmp_path, seed=1))
    unit.train()
    assert unit.reset(config(prepared, tmp_path, seed=2))
    reused = reports(unit)
    fresh = reports(UnitTrainable(config(prepared, tmp_path / "fresh", seed=2)))
    assert {**reused[0], "seconds": 0} == {**fresh[0], "seconds": 0}


def test_all_units_of_a_process_share_one_table(prepared: PreparedData) -> None:
    parts = [part for fold in (0, 1) for part in load_examples(prepared, fold)]
    assert len({part.features.data_ptr() for part in parts}) == 1
    assert len({id(part.copies) for part in parts}) == 1
    rows = [set(part.rows.tolist()) for part in parts if part.rows is not None]
    assert rows[0].isdisjoint(rows[1])
    assert rows[0] != rows[2]


@pytest.mark.parametrize(("gpu", "share"), [(0, 1.0), (0.25, 0.25), (1, 1.0), (2, 1.0)])
def test_a_unit_knows_its_share_of_a_device(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpu: float, share: float
) -> None:
    asked: list[tuple[str, float]] = []

    def placed(examples: Examples, device: str, share: float) -> Examples:
        asked.append((device, share))
        return examples

    resources = ResourcesConfig(gpu=gpu)
    settings = unit_config(0, 1, parse(Recipe, RECIPE, "test"), prepared, tmp_path, resources)
    monkeypatch.setattr("data.batches.Examples.to", placed)
    monkeypatch.setattr("sweep.worker.trainable.Training", lambda *_, **__: SimpleNamespace(epoch=0))
    UnitTrainable(settings)
    assert asked == [("cuda" if gpu else "cpu", share)] * 2


def test_a_full_memory_is_no_failure_and_is_met_with_smaller_chunks(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    expected = reports(UnitTrainable(config(prepared, tmp_path / "whole")))
    with monkeypatch.context() as patch:
        patch.setattr("model.training.training.Training.run_epoch_unless", full)
        ending = step(UnitTrainable(config(prepared, tmp_path))).ending
    assert isinstance(ending, OutOfMemory)
    assert ending.reason.startswith("OutOfMemoryError: CUDA out of memory")
    smaller = config(prepared, tmp_path) | {"accumulate": CHUNKS}
    (report,) = reports(UnitTrainable(smaller))
    assert report["note"] == "batches trained in 4 chunks, as they did not fit whole"
    assert report["train_loss"] == pytest.approx(expected[0]["train_loss"], rel=1e-3)


def test_a_graph_that_is_given_up_is_told_once_and_the_unit_trains_as_without(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nfurther lines")

    plain = UnitTrainable(config(prepared, tmp_path / "plain"))
    monkeypatch.setattr("model.training.training.why_not_captured", lambda *_, **__: None)
    monkeypatch.setattr("model.training.step_graph.cuda_capture", fails)
    asked = unit_config(
        0,
        1,
        parse(Recipe, RECIPE, "test"),
        prepared,
        tmp_path,
        ResourcesConfig(cuda_graphs="auto"),
    )
    unit = UnitTrainable(asked)
    with pytest.warns(UserWarning, match="no training step is replayed"):
        (first,) = reports(unit)
    assert first["note"] == (
        "steps are not replayed from a CUDA graph: it cannot be captured (RuntimeError: operation not "
        "permitted when stream is capturing)"
    )
    (second,) = reports(unit)
    assert "note" not in second
    for expected, found in zip(2 * [plain], (first, second), strict=True):
        assert reports(expected)[0]["train_loss"] == found["train_loss"]


@pytest.mark.parametrize("minutes", [0.0, 60.0])
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_unit_whose_memory_is_full_beside_a_graph_goes_on_without_it_before_it_trains_in_chunks(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int, minutes: float
) -> None:
    plain = UnitTrainable(config(prepared, tmp_path / "plain"))
    asks = ResourcesConfig(cuda_graphs="auto")
    recipe = parse(Recipe, RECIPE, "test")
    monkeypatch.setattr("model.training.training.why_not_captured", lambda *_, **__: None)
    monkeypatch.setattr("model.training.step_graph.cuda_capture", CalledAgain())
    told = unit_config(0, 1, recipe, prepared, tmp_path, asks) | {"checkpoint_minutes": minutes}
    unit = UnitTrainable(told)
    original = training_module.optimise_step

    def full(*arguments: Any) -> Any:
        training = unit._training
        stepped = original(*arguments)
        if training is not None and training.epoch + 1 == epoch and training.step_graph is not None:
            assert training.step_graph.is_held
            # The weights have moved, so this step cannot be taken again.
            raise torch.OutOfMemoryError("CUDA out of memory")
        return stepped

    monkeypatch.setattr(training_module, "optimise_step", full)
    found = [step(unit)]
    while found[-1].ending is None:
        found.append(step(unit))
    assert found[-1].ending == Finished(2)
    new = {report["epoch"]: report for one in found for report in one.reports}
    expected = [report for _ in range(2) for report in reports(plain)]
    assert [new[number]["train_loss"] for number in (1, 2)] == [one["train_loss"] for one in expected]
    notes = [report["note"] for one in found for report in one.reports if "note" in report]
    assert notes == [
        "steps are not replayed from a CUDA graph: there is no memory for it beside the rest of the training"
    ]
    # Without a checkpoint the first epoch is trained, and told, again, and the second says what that cost.
    again = epoch == 2 and minutes > 0
    assert len(found) == (3 if again else 2)
    assert ("repeated" in new[2]) == again


def test_the_study_hears_once_why_a_unit_has_no_graph_where_it_asks_for_one(
    prepared: PreparedData, tmp_path: Path
) -> None:
    asks = ResourcesConfig(cuda_graphs="auto")
    with pytest.warns(UserWarning, match="training steps are not replayed"):
        unit = UnitTrainable(unit_config(0, 1, parse(Recipe, RECIPE, "test"), prepared, tmp_path, asks))
    (first,), (second,) = reports(unit), reports(unit)
    assert first["note"] == (
        "steps are not replayed from a CUDA graph: a CUDA graph needs a CUDA device, and this run has cpu"
    )
    assert "note" not in second


def test_a_network_that_needs_whole_batches_ends_with_what_to_do_when_they_did_not_fit(
    prepared: PreparedData, tmp_path: Path
) -> None:
    changes = {"backbone": {"name": "cnn_tsa", "variant": "tiny"}, "smoothing": {"stage": None}}
    smaller = config(prepared, tmp_path, **changes) | {"accumulate": CHUNKS}
    ending = step(UnitTrainable(smaller)).ending
    assert isinstance(ending, Failed)
    assert ending.reason.splitlines()[0].endswith(
        "which needs the whole batch; where the memory does not hold it, take a smaller batch_size"
    )


@pytest.mark.parametrize(
    "message",
    [
        "[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes",
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)",
    ],
)
def test_a_full_memory_is_known_by_its_words_too(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError(message)

    monkeypatch.setattr("sweep.worker.trainable.Training", full)
    ending = step(UnitTrainable(config(prepared, tmp_path))).ending
    assert isinstance(ending, OutOfMemory)
    assert message in ending.reason


def test_an_error_of_the_device_is_the_workers_death(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    unit = UnitTrainable(config(prepared, tmp_path))
    monkeypatch.setattr("model.training.training.Training.run_epoch_unless", broken)
    with pytest.raises(RuntimeError, match=r"illegal memory access"):
        unit.train()


def test_a_full_disk_is_the_studys_matter(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sweep.worker.checkpoint.save_checkpoint", full)
    ending = step(UnitTrainable(config(prepared, tmp_path))).ending
    assert ending == FullDisk(f"No space left on device: {tmp_path / '0000-seed1'}")


@pytest.mark.parametrize("writes", ["load_examples", "local_weights"])
def test_a_full_cache_is_a_fault_of_the_machine(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(f"sweep.worker.trainable.{writes}", full)
    settings = unit_config(
        *(0, 1, parse(Recipe, RECIPE, "test"), prepared, tmp_path, ResourcesConfig()),
        weights=Weights("weights.pth", "0" * 64),
    )
    unit = UnitTrainable(settings)
    with pytest.raises(FullCacheError, match=r"/cache: No space left on device$"):
        unit.train()


def test_of_a_study_on_an_object_store_a_checkpoint_fills_the_cache(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    unit = UnitTrainable(config(prepared, tmp_path))
    monkeypatch.setattr("sweep.worker.checkpoint.save_checkpoint", full)
    monkeypatch.setattr(UnitCheckpoint, "in_cache", True)
    with pytest.raises(FullCacheError, match=r": No space left on device$"):
        unit.train()


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), RefusedError("403 Forbidden: AccessDenied")]
)
def test_a_disk_that_does_not_answer_or_a_store_that_refuses_is_the_workers_death(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr("sweep.worker.checkpoint.save_checkpoint", broken)
    with pytest.raises(OSError, match=r"Input/output error|403 Forbidden: AccessDenied"):
        UnitTrainable(config(prepared, tmp_path)).train()


def test_an_error_is_the_units_result(prepared: PreparedData, tmp_path: Path) -> None:
    diverging = {"name": "sgd", "learning_rate": 1e3, "weight_blend": 0.0}
    ending = step(UnitTrainable(config(prepared, tmp_path, optimiser=diverging))).ending
    assert isinstance(ending, Failed)
    assert ending.reason.startswith("TrainingError: the training loss is")


def test_a_machine_that_lacks_the_features_is_no_fault_of_the_unit(
    prepared: PreparedData, tmp_path: Path
) -> None:
    gone = dataclasses.replace(prepared, store="gone", recordings=str(tmp_path / "nowhere"))
    unit = UnitTrainable(config(gone, tmp_path))
    with pytest.raises(DataPreparationError, match=r"gone: no such features in"):
        unit.train()


def test_the_best_epoch_of_a_unit_is_the_best_by_the_objective(
    prepared: PreparedData, tmp_path: Path
) -> None:
    recipe = parse(Recipe, {**RECIPE, "selection": "best"}, "test")
    found = {}
    for objective, metric in OBJECTIVES.items():
        told = unit_config(
            0, 1, recipe, prepared, tmp_path / objective, ResourcesConfig(), selected_by=objective
        )
        unit = UnitTrainable(told)
        steps = [step(unit) for _ in range(recipe.epochs)]
        history = [completed(report, metric) for one in steps for report in one.reports]
        ending = steps[-1].ending
        assert isinstance(ending, Finished)
        sensitive = [
            report for report in history if report["sensitivity"] > recipe.min_sensitivity
        ] or history
        found[objective] = ending.epoch
        assert ending.epoch == max(sensitive, key=lambda report: report[metric])["epoch"]
    assert set(found) == set(OBJECTIVES)
