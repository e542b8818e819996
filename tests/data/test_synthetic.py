import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from data import synthetic
from data.audio import read_recording
from data.dataset import DataSet, census
from data.errors import DataError
from data.icbhi import read_icbhi
from data.icbhi_annotations import Part
from data.synthetic import MADE_UP, VERSION, invented_breaths, made_by_default, made_up, write_breaths
from tests.made_breaths import MAKE


@pytest.fixture(scope="module", autouse=True)
def _made_each_time() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "_write_all", MAKE)
        yield


@pytest.fixture(scope="module")
def breaths(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    folder = tmp_path_factory.mktemp("synthetic") / "breaths"
    write_breaths(folder, patients=24, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_icbhi(folder)


def test_classes_are_mixed_about_as_in_icbhi(breaths: DataSet) -> None:
    counted = census(breaths)
    cycles = np.array(counted.cycles["train"]) + counted.cycles["test"]
    assert cycles / cycles.sum() == pytest.approx([0.53, 0.27, 0.13, 0.07], abs=0.04)
    assert min(counted.cycles["test"]) > 0


def test_about_60_percent_of_patients_train(breaths: DataSet) -> None:
    counted = census(breaths)
    assert counted.patients["train"] + counted.patients["test"] == 24
    assert counted.patients["train"] / 24 == pytest.approx(0.6, abs=0.03)
    assert breaths.never_validate == {156, 218}


def test_no_patient_has_a_number_of_icbhi(breaths: DataSet) -> None:
    assert not {recording.patient for recording in breaths.recordings} & set(range(101, 227))


def test_patients_have_three_recordings_of_8_to_12_cycles(breaths: DataSet) -> None:
    assert set(Counter(recording.patient for recording in breaths.recordings).values()) == {3}
    assert {len(recording.cycles) for recording in breaths.recordings} == {8, 9, 10, 11, 12}


def test_devices_record_at_icbhis_three_rates(breaths: DataSet) -> None:
    assert {recording.sample_rate for recording in breaths.recordings} == {4000, 10000, 44100}
    assert len({recording.device for recording in breaths.recordings}) == 4


def test_every_patient_has_a_diagnosis_and_an_age(breaths: DataSet) -> None:
    known = [breaths.patients[recording.patient] for recording in breaths.recordings]
    assert all(patient.diagnosis and patient.sex and patient.age_years for patient in known)


def test_sound_is_neither_silent_nor_mostly_clipped(breaths: DataSet) -> None:
    for recording in breaths.recordings:
        wave, _ = read_recording(recording.path)
        assert 0.002 < wave.std() < 0.5
        assert (wave.abs() > 0.999).float().mean() < 0.001


def everything_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write_few(folder: Path, patients: int = 3, seed: int = 0) -> dict[str, bytes]:
    write_breaths(folder, patients, seed, recordings=1, cycles=(2, 3))
    return everything_in(folder)


def test_a_seed_gives_the_same_files_again_and_another_seed_others(tmp_path: Path) -> None:
    first = write_few(tmp_path / "a")
    assert write_few(tmp_path / "b") == first
    assert write_few(tmp_path / "c", seed=1) != first


def test_a_patient_sounds_alike_however_many_follow(tmp_path: Path) -> None:
    few, more = write_few(tmp_path / "a"), write_few(tmp_path / "b", patients=5)
    sounds = {name: content for name, content in few.items() if re.match(r"\d", name)}
    assert len(sounds) == 6
    assert sounds.items() <= more.items()


def test_two_patients_are_one_in_each_part(tmp_path: Path) -> None:
    write_few(tmp_path / "a", patients=2)
    assert set(census(read_icbhi(tmp_path / "a")).patients.values()) == {1}


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(DataError, match="there is something already; expected a new or empty folder"):
        write_breaths(tmp_path)
    assert everything_in(tmp_path) == {"mine.txt": b"precious"}


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert "official_split.txt" in write_few(tmp_path / "a")


def test_an_interrupted_write_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(soundfile, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        write_few(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong", [{"patients": 1}, {"recordings": 0}, {"cycles": (3, 2)}, {"cycles": (0, 2)}]
)
def test_numbers_that_make_no_data_set_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected at least 2 patients"):
        write_breaths(tmp_path / "a", **wrong)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("part", ["train", "test"])
def test_breaths_are_counted_without_being_written(tmp_path: Path, part: Part) -> None:
    sizes: dict[str, Any] = {"patients": 9, "seed": 3, "recordings": 2, "cycles": (1, 4)}
    write_breaths(tmp_path / "breaths", **sizes)
    written: Counter[int] = Counter()
    for recording in read_icbhi(tmp_path / "breaths").part(part):
        written[recording.patient] += len(recording.cycles)
    assert invented_breaths(part, **sizes) == written


def test_made_up_recordings_say_how_they_were_made_until_they_are_changed(tmp_path: Path) -> None:
    few: Any = {"patients": 2, "seed": 7, "recordings": 1, "cycles": (1, 2)}
    write_breaths(tmp_path / "breaths", **few)
    assert made_up(tmp_path / "breaths") == {"version": VERSION, **few, "cycles": [1, 2]}
    write_breaths(tmp_path / "again", **few)
    assert everything_in(tmp_path / "again") == everything_in(tmp_path / "breaths")
    next((tmp_path / "breaths").glob("*.wav")).unlink()
    assert made_up(tmp_path / "breaths") is None
    (tmp_path / "again" / MADE_UP).write_text("{")
    assert made_up(tmp_path / "again") is None
    assert made_up(tmp_path / "nowhere") is None


@pytest.mark.parametrize(("key", "value"), [("patients", None), ("seed", "7"), ("colour", "red")])
def test_a_file_that_does_not_hold_what_it_should_is_not_believed(
    tmp_path: Path, key: str, value: str | None
) -> None:
    write_breaths(tmp_path, patients=2, recordings=1, cycles=(1, 1))
    content = yaml.safe_load((tmp_path / MADE_UP).read_text())
    content.pop(key, None)
    (tmp_path / MADE_UP).write_text(yaml.safe_dump(content | ({} if value is None else {key: value})))
    assert made_up(tmp_path) is None


def test_only_what_patients_and_seed_make_again_is_made_by_default() -> None:
    made = {"version": VERSION, "patients": 9, "seed": 4, "recordings": 3, "cycles": [8, 12]}
    assert made_by_default(made)
    for other in ({"version": VERSION - 1}, {"recordings": 2}, {"cycles": [1, 2]}):
        assert not made_by_default(made | other)
