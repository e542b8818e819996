"""The rules that respsweep is measured beside: hand-made boards, and Optuna's pruner."""

import warnings

import numpy as np
import optuna
import pytest
from optuna.pruners import WilcoxonPruner
from optuna.trial import TrialState, create_trial

from benchmarks.racing_rules import Halving, PooledZ, Wilcoxon
from sweep.study.racing import Race, Rule, Verdict, verdict

SEEDS = 5
every_rule = pytest.mark.parametrize("rule", [PooledZ(), Wilcoxon(), Halving()])


def race_of(*rows: list[float]) -> Race:
    """Finished scores by row, nothing under way, all rows open."""
    scores = np.full((len(rows), SEEDS), np.nan)
    for row, finished in enumerate(rows):
        scores[row, : len(finished)] = finished
    started = np.array([len(finished) for finished in rows])
    return Race(scores, started, np.ones(len(rows), dtype=bool))


# --- pooled z ---


def test_pooled_z_compares_the_same_seeds() -> None:
    # Squares: 4 * 0.01^2 for the best, with freedom 4; s^2 = (4 * 0.015^2 + 0.0004) / 8 = 0.0001625, so that a row with
    # one seed is lost below -1.645 s sqrt(2) = -0.0297 against 0.66, the best's score on that seed.
    best = [0.66, 0.64, 0.65, 0.64, 0.66]
    race = race_of(best, [0.637], [0.637], [0.632], [0.629])
    found = verdict(PooledZ(), race)
    assert found.order == (1, 2, 3)
    assert dict(found.dropped) == {
        4: "dropped after seed 1: 62.9 % against 66.0 % after as many seeds, z = -1.7"
    }


@pytest.mark.parametrize("rule", [PooledZ(), Wilcoxon()])
def test_without_a_complete_row_nobody_is_given_up(rule: Rule) -> None:
    found = verdict(rule, race_of([0.9, 0.9, 0.9, 0.9], [0.8], [0.7], [0.1, 0.1, 0.1], [0.1, 0.1]))
    assert found.order == (0, 3, 4, 1, 2)
    assert not found.dropped


# --- Wilcoxon ---


def test_four_seeds_below_the_best_are_enough_for_wilcoxon_and_three_are_not() -> None:
    best = [0.66, 0.65, 0.64, 0.66, 0.65]
    four, three = [0.61, 0.59, 0.62, 0.60], [0.31, 0.29, 0.32]
    found = verdict(Wilcoxon(), race_of(best, [0.66], [0.66], four, three))
    assert dict(found.dropped) == {
        3: "dropped after seed 4: 60.5 % against 65.3 % after as many seeds, p = 0.06"
    }
    assert found.order == (4, 1, 2)


def test_wilcoxon_spares_whose_mean_is_not_below_the_best() -> None:
    # Ranks 1, 2, 3 are below and 4 is above: p = 7/16, but the mean is 0.66 against 0.65.
    best, mixed = [0.65] * 5, [0.64, 0.639, 0.638, 0.723]
    race = race_of(best, [0.9], [0.9], mixed)
    assert verdict(Wilcoxon(p=0.45), race).order == (3, 1, 2)
    race = race_of(best, [0.9], [0.9], [*mixed[:3], 0.67])
    assert set(verdict(Wilcoxon(p=0.45), race).dropped) == {3}


def test_with_five_seeds_a_p_of_a_sixteenth_spares_nothing() -> None:
    # Four pairs give 1/16 at best; the fifth pair comes too late to spare anything.
    best, worst = [0.9] * 5, [0.1, 0.11, 0.12, 0.13]
    race = race_of(best, best, best, worst)
    assert set(verdict(Wilcoxon(p=0.0626), race).dropped) == {3}
    assert not verdict(Wilcoxon(p=0.0625), race).dropped


def optuna_prunes(best: np.ndarray, scores: np.ndarray, p: float) -> bool:
    """What Optuna says of a running trial beside one complete trial."""
    study = optuna.create_study(direction="maximize")
    steps = dict(enumerate(best.tolist()))
    study.add_trial(
        create_trial(value=float(best.mean()), intermediate_values=steps, state=TrialState.COMPLETE)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        pruner = WilcoxonPruner(p_threshold=p)
    steps = dict(enumerate(scores.tolist()))
    trial = create_trial(state=TrialState.RUNNING, intermediate_values=steps)
    return pruner.prune(study, trial)


def test_wilcoxon_is_optunas_pruner() -> None:
    random = np.random.default_rng(0)
    ours = []
    for _ in range(300):
        best = random.normal(0.6, 0.02, SEEDS).round(2)  # two digits: ties and zeros occur
        scores = random.normal(0.58, 0.02, random.integers(1, SEEDS)).round(2)
        p = random.choice([0.07, 0.1, 0.2, 0.3])
        # One more ahead of the best, so that the row is not spared as one of two.
        race = race_of(best.tolist(), [0.99], [0.99], scores.tolist())
        ours.append(3 in verdict(Wilcoxon(p=p), race).dropped)
        assert ours[-1] == optuna_prunes(best, scores, p), (best, scores, p)
    assert 50 < sum(ours) < 250


# --- halving ---


def test_halving_promotes_the_better_half_of_a_rung() -> None:
    race = race_of([0.60], [0.61], [0.62], [0.63], [0.64], [0.65], [0.66], [0.67])
    found = verdict(Halving(), race)
    assert found.order == (7, 6, 5, 4)
    assert found.behind[3] == (
        "dropped after seed 1: 63.0 % against 67.0 % after as many seeds, 5 of 8 at rung 1"
    )


def test_halving_takes_who_was_promoted_to_the_next_rung() -> None:
    # Rungs are 1, 2, 4, 5: two of the four with two seeds go on, to four seeds, whoever is ahead at three.
    race = race_of([0.60], [0.60], [0.60], [0.60], [0.7, 0.6], [0.7, 0.61], [0.7, 0.5, 0.3], [0.7, 0.63])
    found = verdict(Halving(), race)
    assert found.order == (7, 5, 6)
    assert found.finalists == ()
    assert 4 in found.behind
    assert found.behind[0].endswith("5 of 8 at rung 1")


def test_halving_by_three_keeps_a_third() -> None:
    race = race_of(*([0.60 + 0.01 * row] for row in range(12)))
    assert verdict(Halving(reduction_factor=3), race).order == (11, 10, 9, 8)


# --- all three ---


@every_rule
def test_the_best_two_get_their_seeds_whatever_the_rule_says(rule: Rule) -> None:
    # The second is 20 points behind, but there is no better second.
    done = [0.80, 0.81, 0.80, 0.81, 0.80]
    found = verdict(rule, race_of(done, [0.6, 0.6, 0.6, 0.6], *([[0.1, 0.1, 0.1, 0.1]] * 9)))
    assert 1 in found.order + found.finalists


@every_rule
@pytest.mark.parametrize("rows", [0, 3])
def test_a_race_without_scores_has_no_verdict(rule: Rule, rows: int) -> None:
    race = Race(np.full((rows, SEEDS), np.nan), np.zeros(rows, dtype=int), np.ones(rows, dtype=bool))
    assert verdict(rule, race) == Verdict((), (), {}, {})
