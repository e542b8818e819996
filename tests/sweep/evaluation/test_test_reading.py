"""The test part is read once, after a seal, and no other door leads to it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.dataset import SealedPartError, check_part
from data.recordings import read_recordings
from data.store import FeatureStore, build_store, open_store, recording_features
from evidence.bundle import read_bundle
from evidence.ledger import Seal, read_ledger
from evidence.verify import differences
from sweep.evaluation.ledgers import ReadingError
from sweep.evaluation.recordings_of import recordings_of
from sweep.evaluation.test_reading import read_test_part
from sweep.evaluation.written_bundles import bundle_faults
from sweep.folder.study_folder import StudyFolder
from sweep.worker.prepared_data import DataPreparation
from sweep.worker.unit_results import UnitResultError
from tests.sweep.command_line import respsweep


def test_a_reading_is_sealed_before_and_written_down_after(finished: StudyFolder) -> None:
    said: list[str] = []
    reading = read_test_part(finished, say=said.append)
    assert "sealed as reading 1 of these recordings; the test part is opened" in said
    bundle, digest = read_bundle(Path(reading.bundle))
    assert differences(bundle) == []
    assert set(bundle.predictions) == {(0, 3), (0, 4)}
    assert set(bundle.baselines) == {"logistic regression", "random forest"}
    recordings = read_recordings(recordings_of(finished))
    tested = [recording for recording in recordings.part("test") for _ in recording.cycles]
    assert bundle.cycles.recordings == tuple(recording.name for recording in tested)
    sealed, read = read_ledger(finished.path / "ledger.jsonl").entries
    assert (sealed.kind, read.kind) == ("sealed", "read")
    assert sealed.content["seeds"] == [3, 4]
    assert sealed.content["data_hash"] == recordings.content_hash()
    assert sealed.content["recipe"]["folds"]["fold"] is None
    assert len(set(sealed.content["weights"].values())) == 2
    assert read.content["bundle"] == digest
    assert read.content["numbers"]["test"]["mean"] == reading.numbers["parts"]["test"]["mean"]


def test_a_second_reading_is_counted_and_gives_the_same_answers(finished: StudyFolder) -> None:
    one = read_test_part(finished)
    with pytest.raises(ReadingError, match=r"as reading 1 of this study .*verify .*test-1\.bundle.* --again"):
        read_test_part(finished)
    assert len(read_ledger(finished.path / "ledger.jsonl").readings("sealed")) == 1
    two = read_test_part(finished, again=True)
    assert (one.readings, two.readings) == (1, 2)
    first, second = (read_bundle(Path(each.bundle))[0] for each in (one, two))
    for unit, kept in first.predictions.items():
        np.testing.assert_array_equal(kept, second.predictions[unit])


def test_a_study_that_searched_and_one_that_lacks_its_weights_read_nothing(
    first: StudyFolder, finished: StudyFolder
) -> None:
    with pytest.raises(ReadingError, match="a study that searched"):
        read_test_part(first)
    (finished.units / "0000-seed4" / "weights.safetensors").unlink()
    with pytest.raises(Exception, match=r"0000-seed4/weights.safetensors: no such weights"):
        read_test_part(finished)
    assert not (finished.path / "ledger.jsonl").exists()


def test_weights_of_another_unit_and_damaged_ones_are_refused_before_anything_is_sealed(
    finished: StudyFolder,
) -> None:
    three, four = (finished.units / f"0000-seed{seed}" / "weights.safetensors" for seed in (3, 4))
    own = four.read_bytes()
    four.write_bytes(three.read_bytes())
    with pytest.raises(UnitResultError, match=r"weights of 0000-seed4: of unit '0000-seed3'"):
        read_test_part(finished)
    four.write_bytes(own[:-40])
    with pytest.raises(UnitResultError, match=r"weights of 0000-seed4: not a file of weights"):
        read_test_part(finished)
    assert not (finished.path / "ledger.jsonl").exists()


def test_a_bundle_that_was_exchanged_or_is_gone_is_told(finished: StudyFolder) -> None:
    one, two = (Path(read_test_part(finished, again=again).bundle) for again in (False, True))
    ledger = read_ledger(finished.path / "ledger.jsonl")
    assert bundle_faults(finished, ledger) == []
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.unlink()
    assert bundle_faults(finished, ledger) == [
        f"{one}: another bundle than reading 1 wrote",
        f"{two}: missing, though reading 2 wrote it",
    ]
    one.write_bytes(content)


def test_other_recordings_are_refused_before_anything_is_sealed(
    finished: StudyFolder, first: StudyFolder, tmp_path: Path
) -> None:
    from data.synthetic import write_breaths

    write_breaths(tmp_path / "other", patients=12, seed=7)
    with pytest.raises(ReadingError, match="other recordings"):
        read_test_part(finished, tmp_path / "other")
    assert not (finished.path / "ledger.jsonl").exists()


def test_a_reading_that_is_broken_off_leaves_its_seal(
    finished: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def power_cut(*arguments: Any, seal: Seal | None = None, **settings: Any) -> FeatureStore:
        if seal is not None:
            raise KeyboardInterrupt
        return build_store(*arguments, **settings)

    with monkeypatch.context() as patch:
        patch.setattr("sweep.evaluation.test_reading.build_store", power_cut)
        with pytest.raises(KeyboardInterrupt):
            read_test_part(finished)
    (sealed,) = read_ledger(finished.path / "ledger.jsonl").entries
    assert sealed.kind == "sealed"
    # Nobody has seen what it would have come to, so the next one needs no other word.
    assert read_test_part(finished).readings == 2


def test_no_other_door_leads_to_the_test_part(finished: StudyFolder, tmp_path: Path) -> None:
    recordings = read_recordings(recordings_of(finished))
    recipe = finished.config().any_recipe()
    seal = Seal(recordings.content_hash(), 1)
    other = Seal("0" * 64, 1)
    for wrong in (None, other):
        with pytest.raises(SealedPartError, match="respsweep test"):
            build_store(recordings, recipe.features, part="test", cache=tmp_path, progress=False, seal=wrong)
    with pytest.raises(SealedPartError):
        next(recording_features(recordings.part("test")[0], recipe.features))
    store = build_store(recordings, recipe.features, part="test", cache=tmp_path, progress=False, seal=seal)
    with pytest.raises(SealedPartError):
        open_store(store.directory)
    # A training part that holds what was the test part is other data, and has another hash.
    prepared = DataPreparation(recordings.directory, tmp_path, progress=False).prepare(recipe)
    index = json.loads((tmp_path / "features" / prepared.store / "index.json").read_text())
    assert index["part"] == "train"
    check_part("train", recordings.content_hash(), None)


def test_a_reading_is_written_for_programs(
    finished: StudyFolder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ("test", finished.name, "--studies", finished.studies, "--format", "json")
    assert respsweep(monkeypatch, *arguments) == 0
    told = capfd.readouterr()
    reading = json.loads(told.out)
    assert reading["readings"] == 1
    assert set(reading["numbers"]["parts"]["test"]["seeds"]) == {
        str(seed) for seed in finished.config().seeds
    }
    assert "sealed as reading 1" in told.err
