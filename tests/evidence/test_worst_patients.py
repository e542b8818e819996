"""Whose cycles are answered worst: cases that can be counted by hand."""

import numpy as np
import pytest

from evidence.worst_patients import highest_share, worst_patients

LABELS = np.array([0] * 10 + [1] * 10 + [2] + [0, 1])
PATIENTS = np.array([7] * 10 + [8] * 10 + [9] + [10] * 2)


def answered() -> list[np.ndarray]:
    """Patient 7: 2 of 10 right; 8: 1 and 3 of 10; 9: its only cycle wrong; 10: all right."""
    first, second = LABELS.copy(), LABELS.copy()
    for given in (first, second):
        given[2:10] = 1
        given[20] = 0
    first[11:20] = 0
    second[13:20] = 3
    return [first, second]


def test_many_wrong_answers_come_before_the_only_one_of_a_single_cycle() -> None:
    found = worst_patients(LABELS, PATIENTS, answered(), 4)
    assert [one.patient for one in found] == [7, 8, 9, 10]
    assert [one.cycles for one in found] == [10, 10, 1, 2]
    assert [one.right for one in found] == [0.2, 0.2, 0.0, 1.0]


def test_the_commonest_mix_up_is_counted_over_the_seeds() -> None:
    found = {one.patient: one for one in worst_patients(LABELS, PATIENTS, answered(), 4)}
    assert (found[7].true, found[7].given, found[7].mixed, found[7].asked) == (0, 1, 16, 20)
    assert (found[8].true, found[8].given, found[8].mixed, found[8].asked) == (1, 0, 9, 20)
    assert (found[10].true, found[10].given, found[10].mixed, found[10].asked) == (None, None, 0, 0)


@pytest.mark.parametrize(("share", "cycles", "upper"), [(0.0, 10, 0.2775), (0.5, 10, 0.7634), (1.0, 5, 1.0)])
def test_the_upper_end_is_wilsons(share: float, cycles: int, upper: float) -> None:
    assert highest_share(share, cycles) == pytest.approx(upper, abs=1e-4)
