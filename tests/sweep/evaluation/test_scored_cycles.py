"""Which cycles a study of some patients is scored on, and that other ages of patients are found."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from data.icbhi import read_icbhi
from data.patients import Patient
from data.population import ages_hash, ages_of
from data.recipe_parts import FoldConfig
from data.synthetic import write_breaths
from sweep.evaluation.cycles_table import cycles_of, folds_of
from sweep.evaluation.scored_cycles import about_population, other_ages, validated_rows


def test_scored_rows_are_those_of_a_fold_whose_patients_have_the_age(tmp_path: Path) -> None:
    write_breaths(tmp_path, patients=12, seed=0)
    data = read_icbhi(tmp_path)
    cycles = cycles_of(data, ["train"])
    asked = FoldConfig(folds=2, population=(19.0, 55.0))
    folds = folds_of(data, cycles, asked)
    for fold in (0, 1):
        ages = {number: data.patients[number].age_years or 0.0 for number in set(cycles.patients.tolist())}
        young = {
            number for number, age in ages.items() if 19 <= age < 55 and folds.assignment[number] == fold
        }
        rows = validated_rows(data, cycles, folds, asked, fold)
        assert 0 < len(young) < sum(own == fold for own in folds.assignment.values())
        assert rows.tolist() == np.flatnonzero(np.isin(cycles.patients, sorted(young))).tolist()
    assert (
        validated_rows(data, cycles, folds, asked).tolist()
        == validated_rows(data, cycles, folds, asked, 0).tolist()
    )


def test_a_bundle_tells_its_population_and_the_ages_behind_it() -> None:
    known = {"ages_hash": "ab"}
    assert about_population(FoldConfig(), known) == {}
    assert about_population(FoldConfig(population=(0.0, 5.0)), known) == {
        "population": [0.0, 5.0],
        "ages_hash": "ab",
    }


def test_other_ages_than_those_of_the_study_are_found(tmp_path: Path) -> None:
    write_breaths(tmp_path, patients=8, seed=0)
    data = read_icbhi(tmp_path)
    known = {"ages_hash": ages_hash(ages_of(data))}
    assert other_ages(data, known) is None
    assert other_ages(data, {}) is None
    first = next(iter(data.patients))
    changed = replace(data, patients={**data.patients, first: Patient(age_years=3.0)})
    told = other_ages(changed, known)
    assert told is not None
    assert "other ages of patients" in told
