"""Numbers of units, configurations and their ranking, from predictions alone."""

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
