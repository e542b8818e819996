"""The numbers of a reading, by hand and against plain definitions."""

from dataclasses import replace

import numpy as np
import pytest

from evidence.bundle import Bundle, Cycles
from evidence.patient_bootstrap import draw_patients, patient_counts
from evidence.predictions import answers_of, rounded
from evidence.reading import headline_of, patient_interval, reading_numbers
from tests.evidence.bundles import LABELS, a_bundle, answers


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
    assert list(reading_numbers(replace(reading, about={"excluded": [101, 156]}))["parts"]) == ["test"]
    alone = reading_numbers(replace(reading, about={}))["parts"]
    assert list(alone) == ["test"]


def test_groups_hold_what_is_known_and_undefined_rates_are_none(reading: Bundle) -> None:
    devices = reading_numbers(reading)["parts"]["test"]["groups"]["device"]
    assert set(devices) == {"AKGC417L", "Meditron"}
    assert devices["Meditron"] == {"cycles": 2, "patients": 1, "score": 1.0, "patient_interval": None}
    # One normal cycle and no abnormal one: no sensitivity, and so no score.
    assert devices["AKGC417L"]["score"] is None


def test_inter_and_intra_are_told_apart() -> None:
    parts = reading_numbers(a_bundle(cycles=200, kind="test", parts=("inter", "intra")))["parts"]
    assert set(parts) == {"inter", "intra"}
    assert sum(part["cycles"] for part in parts.values()) == 200


def test_the_interval_over_patients_is_that_of_the_bootstrap_and_wider_than_that_over_seeds() -> None:
    bundle = a_bundle(cycles=300, units=[(0, 1), (0, 2), (0, 3)], kind="test")
    labels, patients = bundle.cycles.labels, bundle.cycles.patients
    answers = [answers_of(kept) for kept in bundle.predictions.values()]
    found = patient_interval(labels, patients, answers, 4, "average")
    confusion = np.zeros((1, 3, 12, 4, 4), dtype=int)
    for seed, given in enumerate(answers):
        for patient, label, answer in zip(patients - 101, labels, given, strict=True):
            confusion[0, seed, patient, label, answer] += 1
    drawn = draw_patients(patient_counts(confusion), "average")
    assert drawn is not None
    assert found == list(drawn.interval(0))
    test = reading_numbers(bundle)["parts"]["train"]
    low, high = test["interval"]["score"]
    assert found is not None
    assert found[0] < low < test["mean"]["score"] < high < found[1]


def test_few_patients_or_seeds_give_no_interval() -> None:
    bundle = a_bundle(cycles=100, units=[(0, 1), (0, 2), (0, 3)], kind="test")
    labels, patients = bundle.cycles.labels, bundle.cycles.patients
    answers = [answers_of(kept) for kept in bundle.predictions.values()]
    assert patient_interval(labels, patients, answers, 4, "average") is not None
    assert patient_interval(labels, patients % 4, answers, 4, "average") is None
    assert patient_interval(labels, patients, answers[:2], 4, "average") is None
    # All abnormal cycles are of one patient.
    of_one = np.where(patients == 101, 1, 0)
    assert patient_interval(of_one, patients, answers, 4, "average") is None


def test_groups_are_in_the_order_of_their_numbers(reading: Bundle) -> None:
    ages = {"age": ("13 to 17", "6 to 12", "0 to 5", "")}
    groups = reading_numbers(replace(reading, cycles=replace(reading.cycles, groups=ages)))["parts"]["test"][
        "groups"
    ]
    assert list(groups["age"]) == ["0 to 5", "6 to 12", "13 to 17"]


def test_networks_for_all_patients_are_counted_apart_and_compared_in_pairs(reading: Bundle) -> None:
    # Seed 6 of them calls all abnormal cycles normal, seed 7 answers as the others' seed 7 does.
    theirs = {(1, 6): sure([0, 0, 0, 0]), (1, 7): sure([0, 1, 1, 2])}
    both = replace(
        reading,
        about={**reading.about, "unified": {"configuration": 1}},
        predictions={**reading.predictions, **theirs},
    )
    test, alone = (reading_numbers(one)["parts"]["test"] for one in (both, reading))
    unified = test.pop("unified")
    assert test == alone
    assert [unified["seeds"][seed]["score"] for seed in ("6", "7")] == [0.5, 0.75]
    assert unified["mean"]["score"] == 0.625
    assert unified["above"] is None
    assert headline_of({**test, "unified": unified})["unified"] == {"mean": unified["mean"], "above": None}
    assert "unified" not in headline_of(alone)


def test_how_far_networks_lie_above_those_for_all_is_the_difference_of_their_means() -> None:
    made = a_bundle(400, units=[(0, seed) for seed in (1, 2, 3)], kind="test", parts=("test",))
    weaker = {(1, seed): answers(made.cycles, 50 + seed, sure=0.3) for seed in (1, 2, 3)}
    both = replace(made, about={"unified": {"configuration": 1}}, predictions={**made.predictions, **weaker})
    found = reading_numbers(both)["parts"]["test"]
    mean, low, high = found["unified"]["above"]
    assert mean == pytest.approx(found["mean"]["score"] - found["unified"]["mean"]["score"])
    assert 0 < low < mean < high
    swapped = replace(both, about={"unified": {"configuration": 0}})
    assert reading_numbers(swapped)["parts"]["test"]["unified"]["above"][0] == pytest.approx(-mean)
