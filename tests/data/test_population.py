"""Populations by age: who belongs to one, and which ages of patients are known."""

from dataclasses import replace
from pathlib import Path

import pytest

from data.dataset import DataSet, Recording
from data.icbhi import FULL
from data.patients import Patient
from data.population import Population, ages_hash, ages_of, belongs, covers, in_words, members, written
from data.recipe_parts import FoldConfig
from data.settings import ConfigError, parse
from data.task import ICBHI


def data_of(patients: dict[int, Patient], *, recorded: set[int], published: bool = False) -> DataSet:
    audio = Path("breath.wav")
    recordings = tuple(
        Recording(f"{number}", audio, audio, number, "Al", "sc", "Meditron", "train", 4000, 4000, ())
        for number in sorted(recorded)
    )
    return DataSet(
        directory=Path("breaths"),
        task=ICBHI,
        parts=("train", "test"),
        recordings=recordings,
        patients=patients,
        never_validate=frozenset(),
        published=FULL if published else None,
    )


@pytest.mark.parametrize(
    ("population", "inside", "outside"),
    [
        ("child", [0.1, 17.9], [18.0, 70.0]),
        ("adult", [18.0, 93.0], [17.9, 0.0]),
        ((1.0, 5.0), [1.0, 4.9], [0.9, 5.0]),
        ("all", [0.0, 17.9, 18.0, 93.0], []),
    ],
)
def test_an_age_is_in_a_population_from_its_first_year_to_below_its_last(
    population: Population, inside: list[float], outside: list[float]
) -> None:
    assert all(belongs(population, (age, age)) for age in inside)
    assert not any(belongs(population, (age, age)) for age in outside)


def test_a_patient_without_an_age_belongs_to_all_alone() -> None:
    populations: list[Population] = ["child", "adult", (0.0, 150.0)]
    assert belongs("all", None)
    assert not any(belongs(population, None) for population in populations)


def test_an_adult_of_unknown_age_is_in_no_narrower_population() -> None:
    adult = (18.0, 150.0)
    assert belongs("adult", adult)
    assert belongs((10.0, 150.0), adult)
    assert not belongs((18.0, 65.0), adult)
    assert not belongs("child", adult)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("all", "child"),
        ("all", "all"),
        ("child", (0.0, 5.0)),
        ("adult", (18.0, 150.0)),
        ((0.0, 6.0), (2.0, 6.0)),
    ],
)
def test_a_wider_population_covers_a_narrower_one(wide: Population, narrow: Population) -> None:
    assert covers(wide, narrow)
    assert wide == narrow or not covers(narrow, wide) or wide == "adult"


def test_no_specialist_covers_everybody_as_some_have_no_age() -> None:
    assert not covers((0.0, 150.0), "all")


def test_the_missing_ages_of_adults_with_copd_and_of_patient_223_are_made_up_for() -> None:
    patients = {
        101: Patient(age_years=3.0),
        102: Patient(diagnosis="COPD"),
        103: Patient(diagnosis="URTI"),
        104: Patient(age_years=70.0),
    }
    recorded = {101, 102, 103, 223}
    known = ages_of(data_of(patients, recorded=recorded, published=True))
    assert known == {101: (3.0, 3.0), 102: (18.0, 150.0), 223: (18.0, 150.0)}
    assert 223 not in ages_of(data_of(patients, recorded=recorded))
    assert members("adult", recorded, known) == {102, 223}
    assert members("child", recorded, known) == {101}
    assert members("all", recorded, known) == recorded


def test_the_hash_of_ages_changes_with_an_age_alone() -> None:
    data = data_of({1: Patient(age_years=3.0, sex="F")}, recorded={1})
    other_sex = replace(data, patients={1: Patient(age_years=3.0, sex="M")})
    older = replace(data, patients={1: Patient(age_years=4.0, sex="F")})
    assert ages_hash(ages_of(data)) == ages_hash(ages_of(other_sex)) != ages_hash(ages_of(older))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("kids", "folds: population: must be 'all', 'child' or 'adult' or a list such as [0, 1], got 'kids'"),
        (
            [5, 1],
            "folds: population: must be 'all', 'child' or 'adult' or [low, high] in years, low below high",
        ),
        ([0], "folds: population.1: required, but not given"),
        ([-1, 5], "folds: population.0: must be greater than or equal to 0, got -1"),
        ([True, 5], "folds: population.0: must be a number, got true"),
    ],
)
def test_what_is_no_population_is_refused(told: object, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(FoldConfig, {"population": told}, "folds")
    assert message in str(refused.value)


def test_a_population_is_written_as_in_a_study_file_and_in_words() -> None:
    assert [written(one) for one in ("child", (0.5, 5.0))] == ["child", "[0.5, 5]"]
    assert in_words((0.5, 5.0)) == "patients of 0.5 to under 5 years"
    assert in_words("child") == "children (under 18 years)"
