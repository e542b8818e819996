"""Populations of which a data set has too little are refused before a study begins, on every fold that will be used."""

from typing import Any

import pytest

from data.errors import DataError
from data.population import ages_hash, ages_of
from data.settings import parse
from data.synthetic import write_breaths
from sweep.config.study_config import StudyConfig
from sweep.driver.populations import population_ages
from sweep.worker.prepared_data import DataPreparation
from tests.studies import TINY_RECIPE


@pytest.fixture(scope="module")
def preparation(tmp_path_factory: pytest.TempPathFactory) -> DataPreparation:
    folder = tmp_path_factory.mktemp("populations")
    write_breaths(folder / "data", patients=12, seed=0)
    return DataPreparation(folder / "data", folder / "cache", progress=False)


def study(choices: list[Any], scored: Any, **recipe: Any) -> StudyConfig:
    folds = {"folds": 2, "population": scored}
    return parse(
        StudyConfig,
        {
            "recipe": {**TINY_RECIPE, "folds": folds, **recipe},
            "search": {"population": {"type": "categorical", "choices": choices}},
            "sampler": {"name": "grid"},
        },
        "study",
    )


def test_a_study_of_any_age_asks_for_no_ages(preparation: DataPreparation) -> None:
    assert population_ages(study(["all"], "all"), preparation) is None


def test_the_ages_of_a_study_of_some_patients_are_kept_as_a_hash(preparation: DataPreparation) -> None:
    expected = ages_hash(ages_of(preparation.recordings))
    assert population_ages(study(["all", [19, 55]], [19, 55]), preparation) == expected
    assert population_ages(study(["all"], "adult"), preparation) == expected


def test_a_population_that_nobody_is_of_is_refused(preparation: DataPreparation) -> None:
    # Patients who are made up are 19 to 89.
    with pytest.raises(
        DataError, match=r"folds.population child: fold 0 of 2 has 0 normal and 0 abnormal cycles"
    ):
        population_ages(study(["all"], "child"), preparation)


def test_each_searched_population_must_fill_a_batch(preparation: DataPreparation) -> None:
    # Of 114 training cycles in all.
    with pytest.raises(
        DataError, match=r"population \[19, 55\]: \d+ training cycles .* expected at least 100, a batch"
    ):
        population_ages(study(["all", [19, 55]], [19, 55], batch_size=100), preparation)
