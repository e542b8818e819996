"""Numbers of units, configurations and their ranking, from predictions alone."""

from dataclasses import replace

import numpy as np
import pytest

from evidence.bundle import Bundle, Cycles
from evidence.predictions import rounded
from evidence.validation import validation_numbers
from tests.evidence.bundles import LABELS


def with_hits(normal: int, abnormal: int) -> np.ndarray:
    """Answers to five normal and five abnormal cycles of which so many are right."""
    answers = [0] * normal + [1] * (5 - normal) + [1] * abnormal + [0] * (5 - abnormal)
    probabilities = np.full((10, 4), 0.1)
    probabilities[np.arange(10), answers] = 0.7
    return rounded(probabilities, np.array(answers))


def a_study(**about: object) -> Bundle:
    cycles = Cycles(
        labels=np.array([0] * 5 + [1] * 5),
        patients=np.arange(10),
        recordings=tuple("abcdefghij"),
        positions=np.zeros(10, dtype=int),
        parts=("train",) * 10,
    )
    predictions = {
        (0, 1): with_hits(5, 1),
        (0, 2): with_hits(5, 3),
        (1, 1): with_hits(4, 4),
        (2, 1): with_hits(5, 5),
        (2, 2): with_hits(3, 4),
        (3, 1): with_hits(5, 5),
        (3, 2): with_hits(5, 5),
    }
    return Bundle(
        "validation", LABELS, "average", {"seeds": [1, 2], "closed": [3], **about}, {}, cycles, predictions
    )


def test_numbers_are_those_counted_by_hand() -> None:
    numbers = validation_numbers(a_study())
    assert numbers["units"]["0"]["1"]["score"] == pytest.approx((1.0 + 0.2) / 2)
    assert numbers["units"]["1"]["1"]["confusion"][0] == [4, 1, 0, 0]
    assert numbers["configurations"]["0"]["score"] == {
        "mean": pytest.approx(0.7),
        "sd": pytest.approx(0.2 / 2**0.5),
        "seeds": 2,
    }


def test_only_open_configurations_with_all_seeds_are_ranked() -> None:
    numbers = validation_numbers(a_study())
    assert numbers["ranking"] == [2, 0]
    assert set(numbers["configurations"]) == {"0", "2"}
    assert validation_numbers(a_study(closed=[]))["ranking"] == [3, 2, 0]
    assert validation_numbers(a_study(seeds=[1, 2, 3]))["ranking"] == []


@pytest.mark.parametrize(("objective", "ranking"), [("score", [3, 2, 0]), ("harmonic", [3, 2, 0])])
def test_a_ranking_is_by_the_objective_that_the_bundle_names(objective: str, ranking: list[int]) -> None:
    numbers = validation_numbers(a_study(closed=[], objective=objective))
    assert numbers["ranking"] == ranking


def test_any_abnormal_answers_may_turn_a_ranking_round() -> None:
    bundle = a_study(closed=[2, 3])
    # Number 4 takes all crackles for wheezes: strictly it finds none.
    wheezes = with_hits(5, 0)
    wheezes[5:] = [0.1, 0.1, 0.7, 0.1]
    bundle = replace(bundle, predictions={**bundle.predictions, (4, 1): wheezes, (4, 2): wheezes})
    assert validation_numbers(bundle)["ranking"] == [0, 4]
    other = replace(bundle, about={**bundle.about, "objective": "any_abnormal"})
    assert validation_numbers(other)["ranking"] == [4, 0]


def test_the_harmonic_score_is_claimed_where_it_ranks_alone() -> None:
    unit = validation_numbers(a_study(objective="harmonic"))["units"]["0"]["1"]
    assert unit["harmonic_score"] == pytest.approx(2 * 1.0 * 0.2 / 1.2)
    assert "harmonic_score" not in validation_numbers(a_study())["units"]["0"]["1"]


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(ValueError, match="objective 'auc'; expected one of score, any_abnormal, harmonic"):
        validation_numbers(a_study(objective="auc"))


def test_ties_and_luck_are_told_where_every_finished_unit_is_there() -> None:
    about = {"tried": 6, "pruned": 1, "closed": [1, 3], "without_predictions": []}
    numbers = validation_numbers(a_study(**about))
    compared = numbers["comparison"]
    assert (compared["best"], compared["chosen_among"]) == (numbers["ranking"][0], 6)
    assert set(compared["configurations"]) == {"0", "1", "2", "3"}
    assert (
        compared["configurations"]["2"]["expected"]["mean"] < numbers["configurations"]["2"]["score"]["mean"]
    )
    assert validation_numbers(a_study(**{**about, "without_predictions": ["4/1"]}))["comparison"] is None
    assert validation_numbers(a_study())["comparison"] is None
    # Bundles of earlier versions say nothing of ties, and called those tied that were given up too.
    ranked = validation_numbers(a_study(**about, ties="ranked"))["comparison"]
    assert (compared["tied"], ranked["tied"]) == ([0, 1, 3], [0])
    assert {**compared, "tied": [0]} == ranked


@pytest.mark.parametrize("tried", [1, 3, 10**11, "6"])
def test_a_number_of_configurations_that_cannot_be_is_refused(tried: object) -> None:
    with pytest.raises(ValueError, match="tried: "):
        validation_numbers(a_study(tried=tried, pruned=0, closed=[], without_predictions=[]))
