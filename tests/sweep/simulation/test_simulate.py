"""A study without training: virtual time by hand, drivers that die, and what repeats say."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from data.settings import ConfigError
from sweep.config.study_config import StudyConfig
from sweep.simulation.made_up_curves import SyntheticCurves, WorldConfig, point_key, ranked
from sweep.simulation.recorded_curves import RecordedCurves, RecordedStudy
from sweep.simulation.simulate import mean_and_error, outcome_of, play, simulate
from sweep.simulation.simulated_study import SimulatedStudy, simulate_study
from sweep.simulation.study_curves import METRIC_DIGITS, curves_of_board
from sweep.study.board import Board
from sweep.study.score_table import METRICS
from sweep.study.units import State, Unit

SEARCHED = "batch_size"
RANGE = {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}}


class ListedCurves:
    """The same score at each of the listed epochs for all seeds, by batch size; an epoch takes `seconds`."""

    note = "listed"
    epoch_seconds: float | None = None

    def __init__(
        self,
        scores: Mapping[int, Sequence[float]],
        seconds: float = 10.0,
        sensitivity: Sequence[float] | None = None,
        quality: Mapping[int, float] | None = None,
        points: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        self.points = points
        self._scores, self._seconds, self._sensitivity = scores, seconds, sensitivity
        self._quality = quality or {size: curve[-1] for size, curve in scores.items()}

    def curve(self, values: Mapping[str, Any], seed: int, epochs: int) -> np.ndarray:
        curve = np.tile(np.array(self._scores[values[SEARCHED]])[:epochs, None], len(METRICS))
        if self._sensitivity is not None:
            curve[:, METRICS.index("sensitivity")] = self._sensitivity
        return curve

    def quality(self, values: Mapping[str, Any], metric: str = "score") -> float:
        return self._quality[values[SEARCHED]]

    def seconds(self, values: Mapping[str, Any]) -> float:
        return self._seconds


def config_of(search: Mapping[str, Any] | int = 2, **settings: Any) -> StudyConfig:
    """A study; `search` by number: batch sizes from 2 on, all of them in order."""
    content: dict[str, Any] = {
        "recipe": {"epochs": 3},
        "seeds": (1, 2),
        "pruner": {"name": "none"},
        **settings,
    }
    if isinstance(search, int):
        content["search"] = {SEARCHED: {"type": "int", "low": 2, "high": 1 + search}}
        content["sampler"] = {"name": "grid"}
    else:
        content["search"] = search
    return StudyConfig.model_validate(content)


def summary_of(study: SimulatedStudy) -> dict[tuple[str, int], Any]:
    """How each unit ended."""
    return {
        (point_key(configuration.values), unit.seed): (unit.state, unit.selected, len(unit.curve))
        for configuration in study.board.configurations
        for unit in configuration.units.values()
    }


@pytest.mark.parametrize(("workers", "seconds"), [(1, 120), (2, 60), (9, 60)])
def test_four_units_of_three_epochs_of_ten_seconds_take_their_time(workers: int, seconds: float) -> None:
    # However many workers there are, a second seed waits for the first to end.
    config = config_of(racing={"name": "none"})
    study = simulate_study(config, ListedCurves({2: [0.4, 0.5, 0.6], 3: [0.3, 0.4, 0.5]}), workers)
    assert study.events[-1].at == pytest.approx(seconds)
    assert study.board.stopped == "over"


def test_a_rate_that_the_task_does_not_have_is_not_reported() -> None:
    class OfTwoClasses(ListedCurves):
        def curve(self, values: Mapping[str, Any], seed: int, epochs: int) -> np.ndarray:
            curve = super().curve(values, seed, epochs)
            curve[:, METRICS.index("any_abnormal_score")] = np.nan
            return curve

    study = simulate_study(config_of(1), OfTwoClasses({2: [0.4, 0.5, 0.6]}), 1)
    assert study.board.stopped == "over"
    assert all("any_abnormal_score" not in report for unit in study.board.units() for report in unit.curve)


def test_an_outcome_counts_what_was_spent_and_what_was_missed() -> None:
    # All seeds of 3 say 0.6, while endless ones would say 0.45.
    curves = ListedCurves({2: [0.4, 0.5, 0.5], 3: [0.5, 0.5, 0.6]}, quality={2: 0.5, 3: 0.45})
    outcome = outcome_of(simulate_study(config_of(racing={"name": "none"}), curves, 1), curves)
    assert (outcome.configurations, outcome.units, outcome.epochs, outcome.share) == (2, 4, 12, 1)
    assert outcome.hours == pytest.approx(120 / 3600)
    assert (outcome.score, outcome.regret) == pytest.approx((0.45, 0.05))
    assert (outcome.kept, outcome.no_winner) == (1, 0)


def test_time_that_is_up_stops_what_runs_there_and_then() -> None:
    config = config_of(racing={"name": "none"}, budget={"wall_clock": 35 / 3600})
    curves = ListedCurves({2: [0.4, 0.5, 0.6], 3: [0.3, 0.4, 0.5]}, seconds=20)
    study = simulate_study(config, curves, 1)
    assert study.events[-1].at == pytest.approx(35, abs=0.01)
    assert study.board.stopped is not None
    assert study.board.stopped.startswith("budget spent: wall_clock")
    assert len(study.board.unit(0, 1).curve) == 1
    outcome = outcome_of(study, curves)
    assert outcome.no_winner == 1
    assert math.isnan(outcome.regret)
    assert math.isnan(outcome.kept)


def test_values_that_contradict_each_other_are_not_proposed() -> None:
    search = {
        SEARCHED: {"type": "int", "low": 2, "high": 2},
        "sampling.name": {"type": "categorical", "choices": ["shuffle", "weighted"]},
        "loss.class_weights": {"type": "categorical", "choices": ["none", "inverse_frequency"]},
    }
    config = config_of(search, sampler={"name": "grid"}, racing={"name": "none"})
    curves = ListedCurves({2: [0.4, 0.5, 0.6]})
    study = simulate_study(config, curves, 1)
    assert study.board.ended == {State.FINISHED: 6}
    assert len(study.board.configurations) == 3
    assert outcome_of(study, curves).kept == 1


def test_the_epoch_that_stands_for_a_unit_is_the_one_that_training_would_choose() -> None:
    # `best` passes over 0.7, whose sensitivity is not above the guard.
    curves = ListedCurves({2: [0.7, 0.6, 0.5]}, sensitivity=[0.05, 0.3, 0.3])
    for selection, score in (("last", 0.5), ("best", 0.6)):
        config = config_of(1, recipe={"epochs": 3, "selection": selection})
        board = simulate_study(config, curves, 2).board
        assert [unit.selected and unit.selected["score"] for unit in _finished(board)] == [score] * 2


def test_few_points_with_curves_are_all_that_is_proposed_in_an_order_of_their_own() -> None:
    config = config_of(100, seeds=(1,), budget={"configurations": 50}, sampler={"name": "tpe"})
    curves = ListedCurves(
        {size: [0.5] * 3 for size in (3, 30, 60)}, points=[{SEARCHED: size} for size in (3, 30, 60)]
    )
    orders = set()
    for repeat in range(10):
        board = simulate_study(config, curves, 1, repeat=repeat).board
        orders.add(tuple(configuration.values[SEARCHED] for configuration in board.configurations))
    assert {tuple(sorted(order)) for order in orders} == {(3, 30, 60)}
    assert len(orders) > 1


def test_curves_to_which_the_study_cannot_come_are_refused() -> None:
    curves = ListedCurves({40: [0.5] * 3}, points=[{SEARCHED: 40}])
    told = r"batch_size: 40 is outside what the study searches; without a study file, the study of the curves"
    with pytest.raises(ConfigError, match=told):
        simulate(config_of(10), lambda _: curves, 1, repeats=1)


def synthetic(config: StudyConfig, repeat: int = 0, **world: Any) -> SyntheticCurves:
    return SyntheticCurves(WorldConfig(**world), config.space, repeat)


def small(sampler: str) -> StudyConfig:
    search = RANGE
    if sampler == "grid":
        search = {"patch_mix.beta": {"type": "float", "low": 0.5, "high": 1.75, "step": 0.25}}
    return config_of(
        search,
        sampler={"name": sampler},
        pruner={"name": "median", "arguments": {"n_startup_trials": 2}},
        budget={"configurations": 6},
    )


@pytest.mark.parametrize("sampler", ["random", "grid"])
def test_a_driver_may_die_after_any_event_and_nothing_is_different(sampler: str) -> None:
    config = small(sampler)
    curves = synthetic(config)
    undisturbed = simulate_study(config, curves, 1)
    assert undisturbed.board.ended[State.PRUNED] > 0
    assert len(undisturbed.board.ranking()) < 6 - undisturbed.board.ended[State.PRUNED], "none was dropped"
    for death in range(1, len(undisturbed.events) + 1):
        killed = simulate_study(config, curves, 1, deaths=[death])
        assert len(killed.board.drivers) == 2, f"event {death}"
        assert summary_of(killed) == summary_of(undisturbed), f"event {death}"
        assert killed.board.ranking()[0].values == undisturbed.board.ranking()[0].values, f"event {death}"


def test_a_driver_may_die_again_and_again() -> None:
    config = small("random")
    curves = synthetic(config)
    undisturbed = simulate_study(config, curves, 1)
    deaths = range(5, 3 * len(undisturbed.events), 5)
    killed = simulate_study(config, curves, 1, deaths=deaths)
    assert len(killed.board.drivers) > 10
    assert summary_of(killed) == summary_of(undisturbed)


def test_with_tpe_on_several_workers_no_unit_is_lost_and_none_doubled() -> None:
    config = small("tpe")
    curves = synthetic(config)
    for death in range(1, len(simulate_study(config, curves, 3).events), 4):
        board = simulate_study(config, curves, 3, deaths=[death]).board
        assert len({point_key(configuration.values) for configuration in board.configurations}) == 6
        assert board.ended.total() == board.started
        assert board.stopped == "over"


def test_with_every_seed_the_best_mean_wins() -> None:
    config = config_of(RANGE, racing={"name": "none"}, sampler={"name": "random"})
    curves = synthetic(config, landscape="none")
    board = simulate_study(config, curves, 4).board
    means = [
        np.mean([curves.curve(one.values, seed, 3)[-1, METRICS.index("score")] for seed in config.seeds])
        for one in board.configurations
    ]
    assert board.ranking()[0].number == int(np.argmax(means))


def test_what_one_study_recorded_others_are_played_on() -> None:
    config = small("random")
    board = simulate_study(config, synthetic(config), 2).board
    assert board.ended[State.PRUNED] > 0
    world = partial(RecordedCurves, RecordedStudy(curves_of_board(board, config, "first")))
    summary = simulate(config, world, 2, repeats=4, processes=1)
    assert {outcome.configurations for outcome in summary.study} == {6}
    assert {outcome.units for outcome in summary.yardstick} == {12}
    for unit in _finished(board):
        values = board.configurations[unit.configuration].values
        played = world(3).curve(values, unit.seed, epochs=3)[:, METRICS.index("score")]
        assert played.tolist() == [round(report["score"], METRIC_DIGITS) for report in unit.curve]


def test_repeats_are_the_same_in_one_process_and_in_two() -> None:
    config = small("random")
    world = partial(SyntheticCurves, WorldConfig(), config.space)
    alone, together = (play([config], world, 2, repeats=3, processes=number) for number in (1, 2))
    assert alone == together
    assert len(set(alone[0])) == 3


def test_the_defaults_save_most_epochs_of_a_study_and_little_of_its_winner() -> None:
    config = StudyConfig.model_validate(
        {
            "recipe": {"epochs": 9},
            "search": RANGE,
            "sampler": {"name": "random"},
            "budget": {"configurations": 40},
        }
    )
    world = partial(SyntheticCurves, WorldConfig(landscape="none"), config.space)
    summary = simulate(config, world, 8, repeats=5, processes=1)
    assert all(outcome.share == 1 for outcome in summary.yardstick)
    assert mean_and_error([outcome.share for outcome in summary.study])[0] < 0.35
    lost = [own.regret - full.regret for own, full in zip(summary.study, summary.yardstick, strict=True)]
    assert mean_and_error(lost)[0] < 0.002


def test_a_mean_and_its_standard_error() -> None:
    assert mean_and_error([1.0, 2.0, 3.0, math.nan]) == pytest.approx((2, 1 / math.sqrt(3)))
    assert mean_and_error([4.0]) == pytest.approx((4, math.nan), nan_ok=True)


def _finished(board: Board) -> list[Unit]:
    return [unit for unit in board.units() if unit.state is State.FINISHED]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_tight_budget_still_ends_with_a_winner_and_mostly_with_two(workers: int) -> None:
    complete = []
    for repeat in range(12):
        config = StudyConfig.model_validate(
            {"search": RANGE, "recipe": {"epochs": 5}, "sampler": {"name": "random"}, "budget": {"units": 40}}
        )
        curves = SyntheticCurves(WorldConfig(), config.space, repeat)
        complete.append(len(simulate_study(config, curves, workers, repeat=repeat).board.ranking()))
    assert min(complete) >= 1
    assert sum(number >= 2 for number in complete) >= 10


@pytest.mark.parametrize("processes", [1, 2])
def test_each_repeat_that_is_over_is_told(processes: int) -> None:
    told: list[int] = []
    config = config_of(RANGE, budget={"configurations": 2})
    simulate(config, partial(SyntheticCurves, WorldConfig(), config.space), 1, 3, processes, told.append)
    assert told == [1, 2, 3]


class Turned(ListedCurves):
    """Curves whose any-abnormal score falls as the score rises."""

    def curve(self, values: Mapping[str, Any], seed: int, epochs: int) -> np.ndarray:
        curve = super().curve(values, seed, epochs)
        curve[:, METRICS.index("any_abnormal_score")] = 1 - curve[:, METRICS.index("score")]
        return curve

    def quality(self, values: Mapping[str, Any], metric: str = "score") -> float:
        quality = super().quality(values)
        return 1 - quality if metric == "any_abnormal_score" else quality


def test_a_study_with_another_objective_finds_the_best_by_that() -> None:
    curves = Turned({2: [0.2, 0.3, 0.3], 3: [0.3, 0.2, 0.1]})
    for objective, winner, score in (("score", 0, 0.3), ("any_abnormal", 1, 0.9)):
        config = config_of(racing={"name": "none"}, objective=objective)
        study = simulate_study(config, curves, 1)
        outcome = outcome_of(study, curves)
        best = study.board.best()
        assert best is not None
        assert (best.number, outcome.score, outcome.kept) == (winner, pytest.approx(score), 1)
    best_epoch = config_of(1, recipe={"epochs": 3, "selection": "best"}, objective="any_abnormal")
    board = simulate_study(best_epoch, Turned({2: [0.7, 0.5, 0.6]}), 1).board
    assert [unit.selected and unit.selected["epoch"] for unit in _finished(board)] == [2, 2]


@pytest.mark.parametrize("metric", ["score", "any_abnormal_score", "harmonic_score"])
def test_what_is_true_of_made_up_curves_is_their_mean_over_seeds(metric: str) -> None:
    config = config_of(RANGE)
    curves = synthetic(config)
    last = [ranked(curves.curve({"patch_mix.beta": 1.0}, seed, 30)[-1:], metric)[0] for seed in range(600)]
    assert np.mean(last) == pytest.approx(curves.quality({"patch_mix.beta": 1.0}, metric), abs=0.003)
