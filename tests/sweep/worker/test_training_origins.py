"""Devices and patients that a recipe trains on, of recordings among whose patients one has a device alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.dataset import DataSet
from data.recordings import read_recordings
from data.settings import ConfigError, parse
from data.synthetic import write_breaths
from model.training.recipe import Recipe
from sweep.worker.prepared_data import DataPreparation
from sweep.worker.training_origins import TrainingOrigins
from tests.studies import TINY_RECIPE

DEVICE, PATIENT = {"device_contrast": {"weight": 1.0}}, {"patient_alignment": {"cohesion_weight": 1.0}}


@pytest.fixture(scope="module")
def breaths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("origins") / "breaths"
    write_breaths(folder, patients=10, seed=0)
    return folder


@pytest.fixture
def data(breaths: Path) -> DataSet:
    """All recordings on device A, but for those of one patient of the training part, the youngest of them all."""
    whole = read_recordings(breaths)
    alone = trained(whole)[0]
    youngest = {patient: replace(facts, age_years=30.0) for patient, facts in whole.patients.items()}
    youngest[alone] = replace(youngest[alone], age_years=20.0)
    recordings = tuple(
        replace(recording, device="B" if recording.patient == alone else "A")
        for recording in whole.recordings
    )
    return replace(whole, recordings=recordings, patients=youngest)


def trained(data: DataSet) -> list[int]:
    return sorted({recording.patient for recording in data.part("train")})


def recipe(section: dict[str, Any], fold: int | None = 0, population: Any = "all") -> Recipe:
    folds = {"folds": 2, "fold": fold, "population": population}
    content = {**TINY_RECIPE, "patch_mix": {"axes": []}, "folds": folds, "population": population, **section}
    return parse(Recipe, content, "test")


def fold_of(data: DataSet, patient: int) -> int:
    return TrainingOrigins(data).folds(recipe(DEVICE).folds).assignment[patient]


def test_a_fold_that_holds_out_the_only_patient_of_a_device_is_refused_by_its_number(data: DataSet) -> None:
    fold = fold_of(data, trained(data)[0])
    origins = TrainingOrigins(data)
    origins.check(recipe(DEVICE, fold=None))
    origins.check(recipe(DEVICE, fold=1 - fold))
    origins.check(recipe(PATIENT, fold=fold))
    with pytest.raises(
        ConfigError,
        match=rf"^device_contrast.weight: tells devices apart, and all cycles of the training part in .*breaths without "
        rf"fold {fold} of 2 come from one device \(A\); set it to 0, or take recordings of several devices$",
    ):
        origins.check(recipe(DEVICE, fold=fold))


def test_a_population_of_one_device_or_one_patient_is_refused_by_its_name(data: DataSet) -> None:
    alone = trained(data)[0]
    fold = 1 - fold_of(data, alone)
    origins = TrainingOrigins(data)
    origins.check(recipe(PATIENT, fold=fold, population=(25, 40)))
    with pytest.raises(
        ConfigError, match=rf"without fold {fold} of 2, population \[25, 40\], come from one device \(A\)"
    ):
        origins.check(recipe(DEVICE, fold=fold, population=(25, 40)))
    with pytest.raises(
        ConfigError,
        match=r"^patient_alignment.cohesion_weight: tells patients apart, and all cycles of the training part in "
        rf".*breaths, population \[19, 25\], come from one patient \({alone}\)",
    ):
        origins.check(recipe(PATIENT, fold=None, population=(19, 25)))


def test_one_device_in_all_is_told_of_the_whole_training_part(data: DataSet) -> None:
    of_one = replace(data, recordings=tuple(replace(one, device="A") for one in data.recordings))
    with pytest.raises(
        ConfigError, match=r"all cycles of the training part in .*breaths come from one device"
    ):
        TrainingOrigins(of_one).check(recipe(DEVICE, population=(25, 40)))


def test_where_nobody_is_left_to_train_on_nothing_is_said_of_devices(data: DataSet) -> None:
    TrainingOrigins(data).check(recipe({**DEVICE, **PATIENT}, population="child"))


def test_recipes_that_tell_nothing_apart_ask_for_no_folds(
    data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins = TrainingOrigins(data)
    monkeypatch.setattr(origins, "folds", None)
    origins.check(recipe({}, population="child"))


def test_folds_are_made_once_whichever_is_held_out_and_whoever_is_scored(data: DataSet) -> None:
    origins, asked = TrainingOrigins(data), recipe(DEVICE).folds
    folds = origins.folds(asked)
    assert origins.folds(asked.model_copy(update={"fold": 1, "population": "adult"})) is folds
    assert origins.folds(asked.model_copy(update={"folds": 3})) is not folds


def test_folds_told_from_annotations_are_those_of_the_features(breaths: Path, tmp_path: Path) -> None:
    settings = recipe({})
    prepared = DataPreparation(breaths, tmp_path, progress=False).prepare(settings)
    assert prepared.fold_hash == TrainingOrigins(read_recordings(breaths)).folds(settings.folds).hash()
