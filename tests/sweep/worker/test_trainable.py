import dataclasses
import errno
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from data.batches import Examples
from data.settings import parse
from data.synthetic import write_breaths
from evidence.ledger import Seal
from evidence.objectives import OBJECTIVES
from model.training.checkpoint import load_checkpoint
from model.training.recipe import Recipe
from sweep.config.study_parts import ResourcesConfig
from sweep.storage.storage import RefusedError
from sweep.study.epoch_report import completed
from sweep.study.score_table import METRICS
from sweep.worker.checkpoint import UnitCheckpoint
from sweep.worker.drain_notice import NodeDrainedError
from sweep.worker.local_data import load_examples
from sweep.worker.machine_errors import FullCacheError
from sweep.worker.prepared_data import DataPreparation, DataPreparationError, PreparedData
from sweep.worker.step_result import Failed, Finished, FullDisk, OutOfMemory, StepResult
from sweep.worker.trainable import UnitTrainable
from sweep.worker.unit_config import CHUNKS, unit_config
from sweep.worker.unit_results import WEIGHTS
from sweep.worker.weights import Weights
from tests.studies import TINY_RECIPE

RECIPE: dict[str, Any] = {
    **TINY_RECIPE,
    "optimiser": {"learning_rate": 1e-3},
    "epochs": 2,
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    folder = tmp_path_factory.mktemp("breaths")
    write_breaths(folder / "data", patients=12, seed=0)
    return DataPreparation(folder / "data", folder / "cache", progress=False).prepare(
        parse(Recipe, RECIPE, "test")
    )


def config(
    prepared: PreparedData,
    folder: Path,
    seed: int = 1,
    *,
    minutes: float = 0,
    heard: int = 0,
    **changes: Any,
) -> dict[str, Any]:
    """What a worker is told of a unit that saves every so many `minutes`; 0: each epoch, before it is reported."""
    recipe = parse(Recipe, {**RECIPE, **changes}, "test")
    resources = ResourcesConfig(checkpoint_minutes=minutes)
    return unit_config(0, seed, recipe, prepared, folder, resources, heard=heard)


@pytest.fixture(scope="module")
def unsealed(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """Of a study whose reading of the test part at every epoch was written down."""
    folder = tmp_path_factory.mktemp("unsealed")
    write_breaths(folder / "data", patients=12, seed=0)
    preparation = DataPreparation(folder / "data", folder / "cache", progress=False)
    preparation.unseal(Seal(preparation.data_hash, 1), ["test"])
    return preparation.prepare(parse(Recipe, RECIPE, "test"))


def step(unit: UnitTrainable) -> StepResult:
    """What a step of the unit comes to, as Tune hands it on."""
    return StepResult.from_tune(unit.train())


def reports(unit: UnitTrainable) -> list[dict[str, Any]]:
    return [dict(report) for report in step(unit).reports]


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


def test_a_lost_unit_goes_on_from_its_checkpoint_and_tells_its_past_again(
    prepared: PreparedData, tmp_path: Path
) -> None:
    whole = UnitTrainable(config(prepared, tmp_path / "whole"))
    expected = [report for _ in range(2) for report in reports(whole)]
    UnitTrainable(config(prepared, tmp_path / "lost")).train()
    again = step(UnitTrainable(config(prepared, tmp_path / "lost")))
    assert isinstance(again.ending, Finished)
    for got, wanted in zip(again.reports, expected, strict=True):
        assert {**got, "seconds": 0} == {**wanted, "seconds": 0}


@pytest.mark.parametrize("dies", ["before its checkpoint", "after its checkpoint"])
def test_a_unit_that_lost_its_worker_has_answered_the_test_part_once_in_each_epoch(
    unsealed: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    def unit(name: str) -> UnitTrainable:
        return UnitTrainable(
            config(unsealed, tmp_path / name, epochs=3) | {"leak": str(tmp_path / name / "leak")}
        )

    whole, lost = unit("whole"), unit("lost")
    for _ in range(3):
        step(whole)
    step(lost)
    with monkeypatch.context() as patch:
        if dies == "before its checkpoint":

            def killed(*_: object) -> None:
                raise KeyboardInterrupt

            patch.setattr(UnitCheckpoint, "save", killed)
            with pytest.raises(KeyboardInterrupt):
                lost.train()
        else:
            step(lost)
    again = unit("lost")
    while step(again).ending is None:
        pass
    kept = {
        name: {path.name: path.read_bytes() for path in (tmp_path / name / "leak").rglob("*.npy")}
        for name in ("whole", "lost")
    }
    assert sorted(kept["whole"]) == ["epoch-0001.npy", "epoch-0002.npy", "epoch-0003.npy"]
    assert kept["lost"] == kept["whole"]


def without_times(reports: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**report, "seconds": 0.0} for report in reports]


def test_saved_by_time_a_unit_ends_without_a_checkpoint_of_its_own(
    prepared: PreparedData, tmp_path: Path
) -> None:
    unit = UnitTrainable(config(prepared, tmp_path, minutes=1e6))
    assert step(unit).ending is None
    assert step(unit).ending == Finished(2)
    unit.cleanup()
    assert not list((tmp_path / "0000-seed1").glob("checkpoint*"))


def test_a_unit_killed_after_epochs_that_no_checkpoint_held_says_what_they_cost_and_ends_with_the_same_bits(
    prepared: PreparedData, tmp_path: Path
) -> None:
    whole = UnitTrainable(config(prepared, tmp_path / "whole", epochs=4))
    expected = [report for _ in range(4) for report in reports(whole)]
    # One saved epoch, and then two that only the study knows.
    UnitTrainable(config(prepared, tmp_path / "lost", epochs=4)).train()
    killed = UnitTrainable(config(prepared, tmp_path / "lost", epochs=4, minutes=1e6))
    heard = [report for _ in range(2) for report in reports(killed)]
    assert [report["epoch"] for report in heard] == [1, 2, 3]
    again = UnitTrainable(config(prepared, tmp_path / "lost", epochs=4, minutes=1e6, heard=3))
    told = [report for _ in range(3) for report in reports(again)]
    repeated = [report.pop("repeated", None) for report in told]
    assert repeated == [None, None, None, told[1]["seconds"] + told[2]["seconds"]]
    assert without_times(told) == without_times(expected)
    kept, wanted = (load_file(tmp_path / name / "0000-seed1" / WEIGHTS) for name in ("lost", "whole"))
    assert kept.keys() == wanted.keys()
    assert all(torch.equal(kept[name], wanted[name]) for name in wanted)


def test_a_unit_that_is_stopped_between_two_saves_is_saved_then(
    prepared: PreparedData, tmp_path: Path
) -> None:
    unit = UnitTrainable(config(prepared, tmp_path, minutes=1e6))
    step(unit)
    unit.cleanup()
    saved = load_checkpoint(tmp_path / "0000-seed1" / "checkpoint.pt")
    assert len(saved["history"]) == 1


def test_a_unit_that_was_given_up_is_not_saved_when_its_process_goes(
    prepared: PreparedData, tmp_path: Path
) -> None:
    pruned = UnitTrainable(config(prepared, tmp_path, minutes=1e6))
    step(pruned)
    shutil.rmtree(tmp_path / "0000-seed1")
    pruned.cleanup()
    assert not (tmp_path / "0000-seed1").exists()
    reused = UnitTrainable(config(prepared, tmp_path, minutes=1e6))
    step(reused)
    assert reused.reset(config(prepared, tmp_path, seed=2, minutes=1e6))
    assert not list((tmp_path / "0000-seed1").iterdir())


def test_a_unit_that_failed_is_not_saved_between_two_epochs(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    unit = UnitTrainable(config(prepared, tmp_path, minutes=1e6))
    step(unit)
    monkeypatch.setattr("model.training.training.Training.run_epoch_unless", broken)
    with pytest.raises(RuntimeError, match=r"illegal memory access"):
        unit.train()
    unit.cleanup()
    assert not list((tmp_path / "0000-seed1").iterdir())


@pytest.mark.parametrize(
    ("error", "comes_out"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), FullDisk),
        (OSError(errno.EIO, "Input/output error"), OSError),
        (RefusedError("403 Forbidden: AccessDenied"), RefusedError),
    ],
)
def test_what_the_writing_thread_meets_reaches_the_unit_as_if_it_had_saved_itself(
    prepared: PreparedData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: OSError,
    comes_out: type[Any],
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr("sweep.worker.checkpoint.save_checkpoint", broken)
    # So short a time has always passed.
    unit = UnitTrainable(config(prepared, tmp_path, minutes=1e-9, epochs=3))
    assert [report["epoch"] for report in reports(unit)] == [1]
    if comes_out is FullDisk:
        assert step(unit).ending == FullDisk(f"No space left on device: {tmp_path / '0000-seed1'}")
    else:
        with pytest.raises(comes_out, match=r"Input/output error|403 Forbidden: AccessDenied"):
            unit.train()


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


@pytest.mark.parametrize("after", [0, 3])
def test_a_unit_whose_node_goes_saves_within_the_epoch_and_ends_elsewhere_as_undisturbed(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    whole = UnitTrainable(config(prepared, tmp_path / "whole"))
    expected = [report for _ in range(2) for report in reports(whole)]
    unit = UnitTrainable(config(prepared, tmp_path / "moved"))
    unit.train()
    asked = iter([False] * after + [True])
    with monkeypatch.context() as patch:
        patch.setattr("sweep.worker.trainable.drain_notice", lambda: lambda: next(asked))
        with pytest.raises(NodeDrainedError, match=r"about to be taken back; saved in epoch 2"):
            unit.train()
    begun = load_checkpoint(tmp_path / "moved" / "0000-seed1" / "checkpoint.pt")["begun"]
    assert begun["steps"] == after
    again = step(UnitTrainable(config(prepared, tmp_path / "moved")))
    assert isinstance(again.ending, Finished)
    assert [{**report, "seconds": 0} for report in again.reports] == [
        {**report, "seconds": 0} for report in expected
    ]


def test_a_damaged_checkpoint_falls_back_and_says_so(prepared: PreparedData, tmp_path: Path) -> None:
    whole = UnitTrainable(config(prepared, tmp_path / "whole", epochs=3))
    expected = [report for _ in range(2) for report in reports(whole)]
    unit = UnitTrainable(config(prepared, tmp_path, epochs=3))
    unit.train()
    unit.train()
    (tmp_path / "0000-seed1" / "checkpoint.pt").write_bytes(b"torn")
    again = reports(UnitTrainable(config(prepared, tmp_path, epochs=3)))
    note = again[-1].pop("note")
    assert "going on from the one before it" in note
    assert [report["confusion"] for report in again] == [report["confusion"] for report in expected]


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


def test_a_checkpoint_of_another_recipe_is_begun_anew(prepared: PreparedData, tmp_path: Path) -> None:
    UnitTrainable(config(prepared, tmp_path)).train()
    other = config(prepared, tmp_path, epochs=3)
    (report,) = reports(UnitTrainable(other))
    assert "the checkpoint belongs to recipe" in report["note"]
    assert report["note"].endswith("the run begins anew")


def test_weights_may_lie_elsewhere_when_a_unit_goes_on(prepared: PreparedData) -> None:
    recipe = parse(Recipe, {**RECIPE, "backbone": {"variant": "tiny", "pretrained": "weights.pth"}}, "test")
    here, there = (
        unit_config(0, 1, recipe, prepared, Path("units"), ResourcesConfig(), weights=Weights(path, "0" * 64))
        for path in ("/here/weights.pth", "/there/weights.pth")
    )
    assert here["identity"] == there["identity"] == recipe.digest()
    ending = step(UnitTrainable(there)).ending
    assert isinstance(ending, Failed)
    assert "/there/weights.pth: no such file" in ending.reason.splitlines()[0]


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
