"""What the pruner stops and spares, in plain Optuna studies of made-up curves."""

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.pruners import BasePruner
from optuna.trial import Trial, TrialState

from sweep.search.forecast_pruner import ForecastPruner

EPOCHS = 12


def study_of(curves: np.ndarray, pruner: BasePruner) -> optuna.Study:
    """An Optuna study of complete trials with these curves, (trials, steps)."""
    study = optuna.create_study(direction="maximize", pruner=pruner)
    for curve in curves:
        trial = reported(study, curve)
        study.tell(trial, float(curve[-1]))
    return study


def reported(study: optuna.Study, curve: np.ndarray) -> Trial:
    trial = study.ask()
    for step, value in enumerate(curve, 1):
        trial.report(float(value), step)
    return trial


def stopped_at(study: optuna.Study, curve: np.ndarray) -> int | None:
    """The step at which a further trial with this curve is stopped; None when it may go on to its end."""
    trial = study.ask()
    for step, value in enumerate(curve, 1):
        trial.report(float(value), step)
        if step < len(curve) and trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return step
    study.tell(trial, float(curve[-1]))
    return None


def learning(ends: np.ndarray, times: np.ndarray, noise: float, seed: int = 0) -> np.ndarray:
    """Curves, (trials, EPOCHS), from 0.4 to `ends` with the time constants `times` in steps."""
    steps = np.arange(1, EPOCHS + 1)
    clean = 0.4 + (ends[:, None] - 0.4) * (1 - np.exp(-steps / times[:, None]))
    return clean + np.random.default_rng(seed).normal(0, noise, clean.shape)


def test_a_curve_below_the_others_is_stopped_and_one_among_the_best_is_not() -> None:
    ends = np.linspace(0.6, 0.8, 20)
    study = study_of(learning(ends, np.full(20, 3.0), 0.005), ForecastPruner(EPOCHS))
    bad, good = learning(np.array([0.62, 0.81]), np.array([3.0, 3.0]), 0.005, seed=1)
    at = stopped_at(study, bad)
    assert at is not None
    assert at <= 4
    assert stopped_at(study, good) is None


def test_where_slow_learners_end_better_the_slowest_goes_on_though_it_is_below_the_median() -> None:
    ends, times = np.linspace(0.6, 0.9, 30), np.geomspace(2, 12, 30)
    curves = learning(ends, times, 0.01)
    (slow,) = learning(np.array([0.9]), np.array([12.0]), 0.01, seed=1)
    median = optuna.pruners.MedianPruner(n_warmup_steps=EPOCHS // 3 + 1)
    assert stopped_at(study_of(curves, median), slow) is not None
    assert stopped_at(study_of(curves, ForecastPruner(EPOCHS)), slow) is None


def test_of_what_it_stops_hardly_any_would_have_been_among_the_best() -> None:
    """Its promise, where its assumptions hold: the last value is linear in the first ones, but for normal noise.

    The trials that it learns from are those that it let through itself.
    """
    random = np.random.default_rng(0)
    stopped = wrong = 0
    for _ in range(3):
        pruner = ForecastPruner(EPOCHS, p=0.05, share=0.2)
        study = study_of(np.empty((0, EPOCHS)), pruner)
        for _ in range(150):
            rise = np.linspace(random.normal(0.5, 0.05), random.normal(0.7, 0.05), EPOCHS)
            curve = rise + random.normal(0, 0.02, EPOCHS)
            complete = study.get_trials(states=(TrialState.COMPLETE,))
            ends = sorted((one.values[0] for one in complete), reverse=True)
            needed = max(5, round(0.2 * len(study.trials)))
            if stopped_at(study, curve) is not None:
                stopped += 1
                wrong += curve[-1] >= ends[needed - 1]
    assert stopped > 150
    # Each curve is judged at eleven steps, so that it may be stopped wrongly more than once in twenty.
    assert wrong / stopped < 0.05


def test_nothing_is_stopped_before_enough_trials_are_complete() -> None:
    curves = learning(np.linspace(0.6, 0.8, 5), np.full(5, 3.0), 0.005)
    bad = np.full(EPOCHS, 0.1)
    assert stopped_at(study_of(curves[:4], ForecastPruner(EPOCHS)), bad) is None
    assert stopped_at(study_of(curves, ForecastPruner(EPOCHS)), bad) is not None
    assert stopped_at(study_of(curves, ForecastPruner(EPOCHS, at_least=6)), bad) is None


def test_stopped_trials_count_among_those_that_ended() -> None:
    """Of 10 complete and 30 stopped trials a fifth is 8, so that the eighth of the complete is enough."""
    curves = learning(np.linspace(0.71, 0.8, 10), np.full(10, 3.0), 0.0)
    (eighth,) = learning(np.array([0.73]), np.array([3.0]), 0.0)
    few = study_of(curves, ForecastPruner(EPOCHS, share=0.2, p=0.4))
    assert stopped_at(few, eighth) is not None
    many = study_of(curves, ForecastPruner(EPOCHS, share=0.2, p=0.4))
    for _ in range(30):
        many.tell(reported(many, np.array([0.1])), state=TrialState.PRUNED)
    assert stopped_at(many, eighth) is None


def test_networks_that_learned_nothing_make_no_forecast_a_certainty() -> None:
    study = study_of(np.full((6, EPOCHS), 0.5), ForecastPruner(EPOCHS))
    assert stopped_at(study, np.concatenate([np.full(5, 0.49), np.linspace(0.5, 0.8, EPOCHS - 5)])) is None


def test_trials_of_another_length_or_with_a_gap_teach_it_nothing() -> None:
    curves = learning(np.linspace(0.6, 0.8, 8), np.full(8, 3.0), 0.0)
    bad = np.full(EPOCHS, 0.1)
    assert stopped_at(study_of(curves[:, 1:], ForecastPruner(EPOCHS)), bad) is None
    study = study_of(curves, ForecastPruner(EPOCHS))
    trial = study.ask()
    trial.report(0.1, 0)
    trial.report(0.1, 2)
    assert not trial.should_prune()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"p": 0.5}, "p must lie between 0 and 0.5, got 0.5"),
        ({"share": 0.0}, "share must lie above 0 and be at most 1, got 0.0"),
        ({"at_least": 0}, "at_least must be 1 or more, got 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ForecastPruner(EPOCHS, **arguments)
