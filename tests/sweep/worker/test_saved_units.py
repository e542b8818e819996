"""Units that are saved, stopped and gone on with: in the same process, in another, and after damage."""

import errno
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from data.settings import parse
from model.training.checkpoint import load_checkpoint
from model.training.recipe import Recipe
from sweep.config.study_parts import ResourcesConfig
from sweep.storage.storage import RefusedError
from sweep.worker.checkpoint import UnitCheckpoint
from sweep.worker.leave_notice import DRAINED, PAUSED, UnitLeavesError
from sweep.worker.prepared_data import PreparedData
from sweep.worker.step_result import Failed, Finished, FullDisk
from sweep.worker.trainable import UnitTrainable
from sweep.worker.unit_config import unit_config
from sweep.worker.unit_results import WEIGHTS
from sweep.worker.weights import Weights
from tests.sweep.worker.units import RECIPE, config, reports, step


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


@pytest.mark.slow
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


@pytest.mark.slow
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


class Notice:
    """Gives notice when it is asked for the last time."""

    def __init__(self, reason: str, after: int) -> None:
        self.reason = reason
        self._asked = iter([False] * after + [True])

    def __call__(self) -> bool:
        return next(self._asked)


@pytest.mark.parametrize(("reason", "after"), [(DRAINED, 0), (DRAINED, 3), (PAUSED, 3)])
def test_a_unit_that_is_to_leave_saves_within_the_epoch_and_ends_elsewhere_as_undisturbed(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, after: int
) -> None:
    whole = UnitTrainable(config(prepared, tmp_path / "whole"))
    expected = [report for _ in range(2) for report in reports(whole)]
    unit = UnitTrainable(config(prepared, tmp_path / "moved"))
    unit.train()
    notice = Notice(reason, after)
    with monkeypatch.context() as patch:
        patch.setattr("sweep.worker.trainable.leave_notice", lambda: notice)
        with pytest.raises(UnitLeavesError, match=f"^{reason}; saved in epoch 2$"):
            unit.train()
    begun = load_checkpoint(tmp_path / "moved" / "0000-seed1" / "checkpoint.pt")["begun"]
    assert begun["steps"] == after
    again = step(UnitTrainable(config(prepared, tmp_path / "moved", heard=1)))
    assert isinstance(again.ending, Finished)
    first, second = map(dict, again.reports)
    assert second.pop("carried") == begun["seconds"] <= second["seconds"]
    assert without_times([first, second]) == without_times(expected)


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
