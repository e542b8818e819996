import numpy as np
import pytest

from model.band_importance import (
    Trained,
    band_groups,
    consistent_importance,
    fold_correlations,
    remove_backward,
    remove_least_important,
)

GROUPS = band_groups(32)
WORTH = {0: 0.30, 4: 0.20, 8: 0.10, 12: 0.0}
"""What a group is worth to a score, by its first band; all others are worth little noise."""


def score(bands: tuple[int, ...]) -> float:
    return 0.3 + sum(worth for first, worth in WORTH.items() if first in bands) - 0.0001 * len(bands)


def train(bands: tuple[int, ...]) -> Trained:
    worth = [WORTH.get(band - band % 4, 0.01 + 0.0001 * band) for band in bands]
    return Trained(score(bands), np.array(worth))


def test_groups_are_adjacent_bands() -> None:
    assert band_groups(10) == ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9))


def test_what_differs_between_cases_counts_less() -> None:
    cases = np.array([[0.4, 0.6, 0.0], [0.4, 0.2, 0.4]])
    assert consistent_importance(cases, 0.0).tolist() == pytest.approx([0.4, 0.4, 0.2])
    assert consistent_importance(cases, 0.5).tolist() == pytest.approx([0.4, 0.3, 0.1])


def test_correlations_are_between_each_two_folds() -> None:
    rising, falling, flat = np.arange(4.0), -np.arange(4.0), np.ones(4)
    assert fold_correlations([rising, falling, flat]) == (pytest.approx(-1), None, None)


def test_the_least_important_group_goes_first_and_ranks_last() -> None:
    found = remove_least_important(GROUPS, train, rounds=None, least=4)
    assert [group[0] for group in found.groups] == [0, 4, 8, 28, 24, 20, 16, 12]
    assert [one.removed[:1] for one in found.rounds[:3]] == [(), (12,), (16,)]
    # Below 12 bands a group is lost that matters: the best is 12, and two rounds below it are the last.
    assert [one.bands for one in found.rounds] == [32, 28, 24, 20, 16, 12, 8, 4]
    assert found.best_keep == 12


def test_two_rounds_below_the_best_by_half_a_point_end_it() -> None:
    scores = iter([0.50, 0.52, 0.514, 0.516, 0.513, 0.5, 0.6])
    found = remove_least_important(
        GROUPS, lambda bands: Trained(next(scores), train(bands).importance), None, 4
    )
    assert [one.score for one in found.rounds] == [0.50, 0.52, 0.514, 0.516, 0.513, 0.5]
    # 0.516 is within half a point of 0.52, and 0.514 is not.
    assert found.best_keep == found.rounds[3].bands == 20


def test_rounds_and_a_least_number_of_bands_are_bounds() -> None:
    assert len(remove_least_important(GROUPS, train, rounds=0).rounds) == 1
    assert len(remove_least_important(GROUPS, train, rounds=2).rounds) == 3
    assert [one.bands for one in remove_least_important(GROUPS, train, None).rounds][-1] == 16


def test_backward_selection_removes_what_is_missed_least() -> None:
    asked: list[tuple[int, ...]] = []

    def scored(bands: tuple[int, ...]) -> float:
        asked.append(bands)
        return score(bands)

    found = remove_backward(GROUPS, scored, rounds=3)
    assert len(asked) == 1 + 8 + 7 + 6
    assert [one.bands for one in found.rounds] == [32, 28, 24, 20]
    assert [group[0] for group in found.groups[:3]] == [0, 4, 8]
    # Groups that nothing tells apart go in order of frequency.
    assert [one.removed[:1] for one in found.rounds] == [(), (12,), (16,), (20,)]
    assert [group[0] for group in found.groups[-3:]] == [20, 16, 12]
