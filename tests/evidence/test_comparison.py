"""Who is tied with the best, and what to expect of whom, as plain values."""

import json

import numpy as np
import pytest

from evidence.comparison import compare, comparison_numbers

SCORES = np.array(
    [[0.60, 0.62, 0.64], [0.61, 0.64, 0.66], [0.40, 0.41, 0.43], [0.5, np.nan, np.nan], [np.nan] * 3]
)


def test_ties_luck_and_chances_are_those_of_the_comparison() -> None:
    compared = compare(SCORES, [1, 0, 2], pruned=1)
    numbers = comparison_numbers(compared)
    assert numbers is not None
    assert (numbers["best"], numbers["chosen_among"], numbers["tied"]) == (1, 5, [0])
    assert set(numbers["configurations"]) == {"0", "1", "2", "3"}
    best = numbers["configurations"]["1"]
    expected = compared.expectation(1)
    assert expected is not None
    assert best["expected"] == {
        "luck": expected.luck,
        "mean": expected.mean,
        "low": expected.low,
        "high": expected.high,
    }
    assert expected.mean == pytest.approx(SCORES[1].mean() - expected.luck)
    assert sum(one["probability_best"] for one in numbers["configurations"].values()) == pytest.approx(
        1, abs=1e-6
    )
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers


def test_where_nothing_can_be_told_it_says_none() -> None:
    assert comparison_numbers(None) is None
    numbers = comparison_numbers(compare(SCORES[:, :1], [1, 0, 3, 2], pruned=0))
    assert numbers is not None
    assert numbers["tied"] == []
    assert numbers["configurations"]["1"] == {"probability_best": None, "expected": None}


def test_who_was_dropped_is_tied_only_by_the_rule_of_earlier_versions() -> None:
    scores = SCORES.copy()
    scores[3, 0] = 0.6
    tied = {ties: compare(scores, [1, 0, 2], pruned=1, ties=ties).tied for ties in ("ranked", "all")}
    assert {ties: None if told is None else told.tolist() for ties, told in tied.items()} == {
        "ranked": [True, True, False, False, False],
        "all": [True, True, False, True, False],
    }
    with pytest.raises(ValueError, match="ties 'some'; expected one of ranked, all"):
        compare(scores, [1, 0, 2], pruned=1, ties="some")
