"""The numbers of a reading, by hand and against plain definitions."""

from dataclasses import replace

import numpy as np
import pytest

from evidence.bundle import Bundle, Cycles
from evidence.predictions import answers_of, rounded
from evidence.reading import patient_interval, reading_numbers
from tests.evidence.bundles import LABELS, a_bundle


def sure(answers: list[int]) -> np.ndarray:
    probabilities = np.full((len(answers), 4), 0.1)
    probabilities[np.arange(len(answers)), answers] = 0.7
    return rounded(probabilities, np.array(answers))


@pytest.fixture
def reading() -> Bundle:
    """Four cycles of two patients, of whom 156 is on both sides of the split; two seeds."""
    cycles = Cycles(
        labels=np.array([0, 0, 1, 2]),
        patients=np.array([101, 156, 101, 156]),
        recordings=("a", "b", "a", "b"),
        positions=np.array([0, 0, 1, 1]),
        parts=("test",) * 4,
        groups={"device": ("Meditron", "AKGC417L", "Meditron", "")},
    )
    predictions = {(0, 6): sure([0, 0, 1, 1]), (0, 7): sure([0, 1, 1, 2])}
    return Bundle("test", LABELS, "average", {"excluded": [156]}, {}, cycles, predictions)


def test_rates_of_each_seed_and_their_means_are_those_counted_by_hand(reading: Bundle) -> None:
    test = reading_numbers(reading)["parts"]["test"]
    assert (test["cycles"], test["patients"]) == (4, 2)
    six, seven = test["seeds"]["6"], test["seeds"]["7"]
    # Seed 6 calls the wheeze a crackle; seed 7 calls a normal cycle one.
    assert (six["specificity"], six["sensitivity"], six["score"]) == (1.0, 0.5, 0.75)
    assert six["any_abnormal_score"] == 1.0
    assert (seven["specificity"], seven["sensitivity"], seven["score"]) == (0.5, 1.0, 0.75)
    assert six["confusion"][2] == [0, 1, 0, 0]
    assert test["mean"]["sensitivity"] == 0.75
    assert test["sd"]["sensitivity"] == pytest.approx(0.5 / 2**0.5)
    assert test["patient_interval"] is None
    # Both seeds are sure of the first and third cycle, and of one each of the others.
    assert test["ensemble"]["score"] == pytest.approx((1.0 + 0.5) / 2)


def test_patients_on_both_sides_of_the_split_are_left_out_of_the_clean_part(reading: Bundle) -> None:
    parts = reading_numbers(reading)["parts"]
    assert list(parts) == ["test", "test, clean"]
    clean = parts["test, clean"]
    assert (clean["cycles"], clean["patients"], clean["mean"]["score"]) == (2, 1, 1.0)
    alone = reading_numbers(replace(reading, about={}))["parts"]
    assert list(alone) == ["test"]


def test_groups_hold_what_is_known_and_undefined_rates_are_none(reading: Bundle) -> None:
    devices = reading_numbers(reading)["parts"]["test"]["groups"]["device"]
    assert set(devices) == {"AKGC417L", "Meditron"}
    assert devices["Meditron"] == {"cycles": 2, "patients": 1, "score": 1.0, "interval": None}
    # One normal cycle and no abnormal one: no sensitivity, and so no score.
    assert devices["AKGC417L"]["score"] is None


def test_inter_and_intra_are_told_apart() -> None:
    parts = reading_numbers(a_bundle(cycles=200, kind="test", parts=("inter", "intra")))["parts"]
    assert set(parts) == {"inter", "intra"}
    assert sum(part["cycles"] for part in parts.values()) == 200


def test_the_interval_over_patients_is_that_of_drawing_them_one_by_one() -> None:
    bundle = a_bundle(cycles=300, kind="test")
    labels, patients = bundle.cycles.labels, bundle.cycles.patients
    answers = [answers_of(kept) for kept in bundle.predictions.values()]
    found = patient_interval(labels, patients, answers, "average")
    random, scores = np.random.default_rng(3), []
    known = np.unique(patients)
    for _ in range(2000):
        rows = np.concatenate([np.flatnonzero(patients == one) for one in random.choice(known, len(known))])
        normal, per_seed = labels[rows] == 0, []
        for given in answers:
            right = (given == labels)[rows]
            per_seed.append((right[normal].mean() + right[~normal].mean()) / 2)
        scores.append(np.mean(per_seed))
    assert found == pytest.approx(np.quantile(scores, [0.025, 0.975]), abs=0.01)


def test_few_patients_give_no_interval() -> None:
    bundle = a_bundle(cycles=100, kind="test")
    few = bundle.cycles.patients % 4
    answers = [answers_of(kept) for kept in bundle.predictions.values()]
    assert patient_interval(bundle.cycles.labels, few, answers, "average") is None
