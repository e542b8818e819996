"""Known truths: how often an interval over patients and seeds holds the true score, in simulation with fixed seeds."""

import numpy as np
import pytest

from evidence.patient_bootstrap import PatientCounts, PatientDraws, draw_patients, patient_counts
from evidence.scores import SCORES, score


def found_in(
    random: np.random.Generator, patients: int, seeds: int, seed_sd: float, gain: float = 0.0
) -> PatientCounts:
    """What two configurations find in patients who differ; the second finds more, by `gain` in the logarithm of odds."""
    cycles = 1 + random.geometric(1 / random.choice([5, 20, 60], patients))
    abnormal = random.binomial(cycles, random.random(patients))
    normal = cycles - abnormal
    found = []
    for total, centre in ((normal, 1.0), (abnormal, -0.2)):
        odds = centre + random.normal(0, 0.8, patients) + random.normal(0, 0.4, (2, 1, patients))
        odds = odds + random.normal(0, seed_sd, (2, seeds, 1)) + random.normal(0, 0.3, (2, seeds, patients))
        odds += gain * np.arange(2)[:, None, None]
        found.append(random.binomial(total, 1 / (1 + np.exp(-odds))))
    return PatientCounts(normal, abnormal, *found)


def drawn(counts: PatientCounts, **more: int) -> PatientDraws:
    draws = draw_patients(counts, "average", **more)
    assert draws is not None
    return draws


def shares_covered(patients: int, seeds: int, seed_sd: float, repeats: int) -> tuple[float, float]:
    """How often the interval of a score, and that of a difference, hold the truth, which is that of endless patients."""
    random = np.random.default_rng(100 * patients + seeds)
    many = found_in(random, 60_000, 40, seed_sd)
    shares = [
        found.sum((1, 2)) / found.shape[1] / total.sum()
        for total, found in ((many.normal, many.normal_found), (many.abnormal, many.abnormal_found))
    ]
    truth = np.mean(shares)
    score_held = difference_held = 0
    for repeat in range(repeats):
        draws = drawn(found_in(random, patients, seeds, seed_sd), draws=600, seed=repeat)
        low, high = draws.interval(0)
        score_held += low <= truth <= high
        _, low, high = draws.difference(0, 1)
        difference_held += low <= 0 <= high
    return score_held / repeats, difference_held / repeats


def test_intervals_over_patients_and_seeds_hold_the_truth() -> None:
    for held in shares_covered(30, 3, 0.15, 250):
        assert 0.92 <= held <= 0.985


@pytest.mark.slow
@pytest.mark.parametrize("seed_sd", [0.05, 0.25])
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("patients", [15, 30, 60])
def test_intervals_hold_the_truth_with_few_patients_and_with_many(
    patients: int, seeds: int, seed_sd: float
) -> None:
    for held in shares_covered(patients, seeds, seed_sd, 800):
        assert 0.915 <= held <= 0.975


def confusions(random: np.random.Generator) -> np.ndarray:
    """Confusion matrices of 2 configurations, 3 seeds and 9 patients, on the same cycles: (2, 3, 9, 4, 4)."""
    truth = random.integers(0, 9, (9, 4))
    return np.array(
        [
            [[[random.multinomial(n, [0.25] * 4) for n in row] for row in truth] for _ in range(3)]
            for _ in range(2)
        ]
    )


@pytest.mark.parametrize("any_abnormal", [False, True])
@pytest.mark.parametrize("formula", SCORES)
def test_every_score_is_that_of_the_pooled_confusion_matrix(formula: str, any_abnormal: bool) -> None:
    confusion = confusions(np.random.default_rng(1))
    draws = draw_patients(patient_counts(confusion, any_abnormal), formula, draws=50, seed=3)
    assert draws is not None
    expected = [[score(confusion[c, s].sum(0), formula, any_abnormal) for s in range(3)] for c in range(2)]
    assert draws.score == pytest.approx(np.array(expected))
    taken = np.random.default_rng(3).multinomial(9, np.full(9, 1 / 9), size=50)
    first = np.einsum("p,spij->sij", taken[0], confusion[1])
    scores = [score(of_seed, formula, any_abnormal) for of_seed in first]
    assert draws.mean[0, 1] == pytest.approx(np.mean([one for one in scores if one is not None]))


def test_other_cycles_in_one_configuration_are_refused() -> None:
    confusion = confusions(np.random.default_rng(1))
    confusion[1, 2, 4, 0, 0] += 1
    with pytest.raises(ValueError, match="configuration 1, seed 2: patient 4 has other cycles"):
        patient_counts(confusion)


def test_configurations_are_compared_on_the_same_patients() -> None:
    counts = found_in(np.random.default_rng(2), 20, 3, 0.0)
    same = PatientCounts(
        counts.normal,
        counts.abnormal,
        np.repeat(counts.normal_found[:1], 2, axis=0),
        np.repeat(counts.abnormal_found[:1], 2, axis=0),
    )
    draws = drawn(same)
    low, high = draws.interval(0)
    assert high - low > 0.05
    assert draws.difference(0, 1) == (0, 0, 0)


def test_a_clear_difference_is_found_and_its_direction_right() -> None:
    draws = drawn(found_in(np.random.default_rng(3), 40, 5, 0.05, gain=1.0))
    difference, low, high = draws.difference(1, 0)
    assert 0 < low < difference < high
    backwards = draws.difference(0, 1)
    assert backwards[0] == pytest.approx(-difference)
    best = draws.best()
    assert best.sum() == pytest.approx(1)
    assert best[1] > 0.95


def test_more_seeds_that_differ_make_an_interval_wider_than_seeds_that_agree() -> None:
    calm, restless = (drawn(found_in(np.random.default_rng(4), 40, 3, sd)) for sd in (0.0, 1.0))
    assert np.ptp(restless.interval(0)) > 1.5 * np.ptp(calm.interval(0))


def test_the_same_seed_draws_the_same_and_memory_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = found_in(np.random.default_rng(5), 20, 3, 0.1)
    whole = drawn(counts, draws=500)
    monkeypatch.setattr("evidence.patient_bootstrap._CELLS", 700)
    parts = drawn(counts, draws=500)
    assert parts.mean == pytest.approx(whole.mean, abs=1e-12)
    assert parts.interval(1) == pytest.approx(whole.interval(1), abs=1e-4)
    assert drawn(counts, draws=500, seed=1).interval(1) != whole.interval(1)


def test_draws_without_normal_cycles_are_left_out_and_none_at_all_refused() -> None:
    normal, abnormal = np.array([5, 0, 0, 0]), np.array([0, 4, 4, 4])
    found = np.stack([normal, abnormal])[:, None, None].repeat(3, axis=2)
    draws = drawn(PatientCounts(normal, abnormal, found[0], found[1]), draws=400)
    assert 200 < len(draws.mean) < 350
    assert draws.interval(0) == (1, 1)
    with pytest.raises(ValueError, match="no draw of patients has both"):
        drawn(PatientCounts(0 * normal, abnormal, 0 * found[0], found[1]))


def test_below_three_seeds_and_two_patients_nothing_is_said() -> None:
    assert draw_patients(found_in(np.random.default_rng(6), 20, 2, 0.1), "average") is None
    assert draw_patients(found_in(np.random.default_rng(6), 1, 3, 0.1), "average") is None
