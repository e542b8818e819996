"""Configurations on all folds of patients: numbers by hand, and how often equal ones are called different."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evidence.bundle import Bundle, Cycles, read_bundle, write_bundle
from evidence.cross_folds import cross_fold_numbers, tied_with_first
from evidence.predictions import rounded
from evidence.verify import differences
from tests.evidence.bundles import LABELS


def told(answers: np.ndarray) -> np.ndarray:
    """Probabilities whose highest is the given answer."""
    probabilities = np.full((len(answers), 4), 0.1)
    probabilities[np.arange(len(answers)), answers] = 0.7
    return rounded(probabilities, answers)


def a_bundle(
    labels: np.ndarray, patients: np.ndarray, folds: int, answers: dict[tuple[int, int], np.ndarray]
) -> Bundle:
    cycles = Cycles(
        labels=labels,
        patients=patients,
        recordings=tuple(f"{patient}_1b1" for patient in patients.tolist()),
        positions=np.arange(len(labels)),
        parts=("train",) * len(labels),
        groups={"fold": tuple(str(patient % folds) for patient in patients.tolist())},
    )
    about = {"study": "first", "seeds": sorted({seed for _, seed in answers}), "numpy": np.__version__}
    return Bundle(
        "folds", LABELS, "average", about, {}, cycles, {unit: told(kept) for unit, kept in answers.items()}
    )


def by_hand() -> Bundle:
    """Two patients in two folds, a normal and an abnormal cycle each; number 7 misses the abnormal one of patient 1."""
    labels, patients = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    perfect, missed = labels.copy(), np.array([0, 1, 0, 0])
    return a_bundle(labels, patients, 2, {(3, 1): perfect, (3, 2): missed, (7, 1): missed, (7, 2): missed})


def test_numbers_are_those_counted_by_hand() -> None:
    numbers = cross_fold_numbers(by_hand())
    assert numbers["ranking"] == [3, 7]
    first, second = numbers["configurations"]["3"], numbers["configurations"]["7"]
    assert first["score"] == {"mean": 0.875, "sd": pytest.approx(0.25 / 2**0.5), "seeds": 2}
    assert second["score"]["mean"] == 0.75
    assert second["folds"]["0"] == {"cycles": 2, "patients": 1, "mean": 1.0, "sd": 0.0}
    assert second["folds"]["1"] == {"cycles": 2, "patients": 1, "mean": 0.5, "sd": 0.0}
    assert first["folds"]["1"]["mean"] == 0.75
    assert (first["worst_fold"], second["worst_fold"]) == ("1", "1")
    assert numbers["units"]["7"]["1"]["confusion"][1] == [1, 1, 0, 0]
    # Of two seeds and two patients nothing is said of others.
    assert (first["interval"], first["patient_interval"], first["probability_best"]) == (None, None, None)
    assert second["behind_best"] is None
    assert tied_with_first(numbers) == []


def test_a_fold_without_abnormal_cycles_has_no_score_and_is_not_the_worst() -> None:
    labels, patients = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    numbers = cross_fold_numbers(a_bundle(labels, patients, 2, {(0, 1): np.array([0, 1, 0, 0])}))
    found = numbers["configurations"]["0"]
    assert found["folds"]["0"]["mean"] is None
    assert found["worst_fold"] == "1"
    assert found["score"]["mean"] == pytest.approx((2 / 3 + 0) / 2)


def test_the_ranking_is_by_the_objective() -> None:
    labels, patients = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    # Number 1 calls both abnormal cycles a wheeze, number 0 finds one and misses the other.
    bundle = a_bundle(labels, patients, 2, {(0, 1): np.array([0, 1, 0, 0]), (1, 1): np.array([0, 2, 0, 2])})
    assert cross_fold_numbers(bundle)["ranking"] == [0, 1]
    other = replace(bundle, about={**bundle.about, "objective": "any_abnormal"})
    numbers = cross_fold_numbers(other)
    assert numbers["ranking"] == [1, 0]
    assert numbers["configurations"]["1"]["folds"]["0"]["mean"] == 1.0


def invented(random: np.random.Generator, gains: list[float], patients: int = 40, seeds: int = 3) -> Bundle:
    """Configurations that find an abnormal cycle more often by a gain in the logarithm of odds; patients differ."""
    cycles = 2 + random.geometric(1 / 12, patients)
    whose = np.repeat(np.arange(patients), cycles)
    labels = random.integers(0, 2, len(whose))
    shared = random.normal(0, 0.8, patients)[whose] + 0.5
    answers = {}
    for number, gain in enumerate(gains):
        own = random.normal(0, 0.4, patients)[whose]
        for seed in range(1, seeds + 1):
            odds = shared + own + gain + random.normal(0, 0.1) + random.normal(0, 0.2, patients)[whose]
            right = random.random(len(whose)) < 1 / (1 + np.exp(-odds))
            answers[number, seed] = np.where(right, labels, 1 - labels)
    return a_bundle(labels, whose, 5, answers)


def share_called_different(configurations: int, repeats: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """Of equal configurations, how many are not tied with the one that came out best."""
    monkeypatch.setattr("evidence.patient_bootstrap.draw_patients.__kwdefaults__", {"draws": 600, "seed": 0})
    random = np.random.default_rng(configurations)
    different = 0
    for _ in range(repeats):
        numbers = cross_fold_numbers(invented(random, [0.0] * configurations))
        different += configurations - 1 - len(tied_with_first(numbers))
    return different / repeats / configurations


@pytest.mark.parametrize("configurations", [2, 4])
def test_equal_configurations_are_seldom_called_different(
    configurations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert share_called_different(configurations, 60, monkeypatch) <= 0.09


@pytest.mark.slow
@pytest.mark.parametrize("configurations", [2, 4, 8])
def test_equal_configurations_are_called_different_at_most_as_often_as_said(
    configurations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The standard error of 600 repeats is below 0.9 %.
    assert share_called_different(configurations, 600, monkeypatch) <= 0.066


def test_a_clearly_worse_one_is_not_tied_and_a_near_one_is() -> None:
    numbers = cross_fold_numbers(invented(np.random.default_rng(1), [1.5, 1.45, -0.5]))
    assert numbers["ranking"][-1] == 2
    assert 2 not in tied_with_first(numbers)
    assert len(tied_with_first(numbers)) == 1
    found = numbers["configurations"]
    assert sum(one["probability_best"] for one in found.values()) == pytest.approx(1)
    assert found["2"]["probability_best"] < 0.01
    for one in found.values():
        low, high = one["patient_interval"]
        assert low < one["score"]["mean"] < high
    behind = found["2"]["behind_best"]
    assert 0 < behind["difference_interval"][0] < behind["mean"] < behind["difference_interval"][1]


def test_a_bundle_of_folds_is_verified_as_others_are(tmp_path: Path) -> None:
    bundle = invented(np.random.default_rng(2), [0.5, 0.0])
    bundle = replace(bundle, claims=cross_fold_numbers(bundle))
    path = tmp_path / "folds.bundle"
    path.write_bytes(write_bundle(bundle)[0])
    assert differences(read_bundle(path)[0]) == []
    of_another_numpy = replace(bundle, about={**bundle.about, "numpy": "1.0"})
    claims = cross_fold_numbers(bundle)
    claims["configurations"]["0"]["probability_best"] -= 0.004
    claims["configurations"]["0"]["patient_interval"][0] += 0.004
    assert differences(replace(of_another_numpy, claims=claims)) == []
    assert {place for place, *_ in differences(replace(bundle, claims=claims))} == {
        "configurations.0.probability_best",
        "configurations.0.patient_interval.0",
    }
    claims["configurations"]["0"]["folds"]["1"]["mean"] += 0.004
    assert len(differences(replace(of_another_numpy, claims=claims))) == 1
