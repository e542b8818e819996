"""The cycles of a population, and the refusal of populations of which too little is there."""

from dataclasses import replace

import numpy as np
import pytest

from data.errors import DataError
from data.patients import Patient
from data.population_cycles import check_populations, chosen_rows, patients_of, scored_rows
from data.recipe_parts import FoldConfig
from tests.data.test_population import data_of

CHILDREN = FoldConfig(population="child")


def test_rows_are_those_of_the_chosen_patients_in_their_order() -> None:
    patients = np.array([7, 7, 8, 9, 8])
    rows = np.array([4, 3, 0])
    assert chosen_rows(rows, patients, [8, 7]).tolist() == [4, 0]
    assert chosen_rows(rows, patients, None).tolist() == [4, 3, 0]
    assert chosen_rows(rows, patients, []).tolist() == []


def test_patients_without_an_age_are_warned_of_and_left_to_all() -> None:
    data = data_of({1: Patient(age_years=2.0), 2: Patient(age_years=30.0)}, recorded={1, 2, 3})
    with pytest.warns(UserWarning, match=r"1 patient without an age \(3\) belong to population all alone"):
        assert patients_of(data, "child") == (1,)
    assert patients_of(data, "all") is None
    assert scored_rows(data, np.array([1, 2, 3, 1]), np.arange(4), CHILDREN).tolist() == [0, 3]


def test_recordings_without_any_age_have_no_populations() -> None:
    data = replace(data_of({}, recorded={1, 2}), patients={1: Patient(sex="F")})
    with pytest.raises(DataError, match="population child: of no patient an age is known"):
        patients_of(data, "child")


def test_a_population_must_leave_a_batch_to_train_on_and_both_kinds_to_score() -> None:
    both, normal = np.array([0, 1, 0, 2]), np.array([0, 0])
    check_populations(both, both, "child", CHILDREN, 4)
    with pytest.raises(
        DataError, match=r"4 training cycles of children \(under 18 years\); expected at least 5"
    ):
        check_populations(both, both, "child", CHILDREN, 5)
    with pytest.raises(DataError, match=r"all 2 training cycles of children .* are normal"):
        check_populations(normal, both, "child", CHILDREN, 2)
    with pytest.raises(DataError, match="fold 0 of 5 has 2 normal and 0 abnormal cycles of children"):
        check_populations(both, normal, "child", CHILDREN, 2)
    with pytest.raises(DataError, match="has 0 normal and 0 abnormal cycles"):
        check_populations(both, normal[:0], "child", CHILDREN, 2)
