"""One simulated study: the real board, search, pruner, race and budget, on curves and a clock of its own."""

from __future__ import annotations

import heapq
import itertools
import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.training.recipe import Recipe
from sweep.config.study_config import StudyConfig
from sweep.search.epoch_pruner import EpochPruner
from sweep.search.optuna_search import OptunaSearch
from sweep.simulation.made_up_curves import LearningCurves, generator, ranked
from sweep.study.board import Board
from sweep.study.budget import Budget
from sweep.study.coordinator import Coordinator, Rules
from sweep.study.events import Event
from sweep.study.score_table import METRICS

SCORE, SENSITIVITY = METRICS.index("score"), METRICS.index("sensitivity")
INSTANTS = 10_000
"""Into how many parts the time between two events is cut to find when a budget was spent."""


@dataclass(frozen=True)
class SimulatedStudy:
    """A study that was played; times are seconds from its beginning."""

    config: StudyConfig
    board: Board
    events: Sequence[Event]


def simulate_study(
    config: StudyConfig,
    curves: LearningCurves,
    workers: int,
    *,
    repeat: int = 0,
    deaths: Sequence[int] = (),
) -> SimulatedStudy:
    """Play one study to its end on `workers` workers. `repeat` moves the sampler's seed.

    The driver dies right after each of the events numbered in `deaths` (from 1, rising), and another takes the study
    up from the events so far.
    """
    config = _of_repeat(config, curves, repeat)
    events: list[Event] = []
    for death in (*deaths, None):
        driver = _Driver(config, curves, workers, f"simulation-{repeat}", events, death)
        try:
            driver.run()
        except _DriverDiedError:
            continue
        return SimulatedStudy(config, driver.board, events)
    raise AssertionError("the last driver does not die")


def play_on(
    config: StudyConfig, curves: LearningCurves, workers: int, past: Sequence[Event]
) -> SimulatedStudy:
    """Play the rest of a study, real or simulated, after the events `past`, on the clock of these events.

    Units that were under way go on from the last epoch that they reported.
    """
    events = list(past)
    driver = _Driver(config, curves, workers, "played on", events, None)
    driver.run()
    return SimulatedStudy(config, driver.board, events)


class _DriverDiedError(Exception):
    """Raised where a simulated driver is to die."""


class _Driver:
    """A study and its workers on a virtual clock, in the place of Ray Tune."""

    def __init__(
        self,
        config: StudyConfig,
        curves: LearningCurves,
        workers: int,
        name: str,
        events: list[Event],
        death: int | None,
    ) -> None:
        """`events` are those that happened before; new ones are appended."""
        self._config, self._curves, self._idle = config, curves, workers
        self._events, self._death = events, death
        self._now = events[-1].at if events else 0.0
        self._arrivals: list[tuple[float, int, _Training]] = []
        self._order = itertools.count()
        self.board = Board(events=events)
        # Asking is slow, and only a limit of time can be reached between two events.
        self._timed = config.budget.gpu_hours is not None or config.budget.wall_clock is not None
        resources, epochs = config.resources, config.space.epochs
        self._budget = Budget(config.budget, config.racing, gpus=resources.gpu, slots=workers, epochs=epochs)
        rules = Rules(
            config.racing, config.schedule, config.objectives, resources.max_failures, resources.gpu
        )
        search = OptunaSearch(config)
        pruner = EpochPruner(config.pruner, epochs, name, tuple(events), config.ranking_metric)
        self._coordinator = Coordinator(
            self.board, search, pruner, self._budget, rules, [self._hear], clock=lambda: self._now
        )

    def run(self) -> None:
        """Train units until the study is over or its budget spent."""
        coordinator = self._coordinator
        coordinator.start(self._config.seeds, last_sign=self._now)
        self._start_units()
        while self._arrivals:
            arrival, _, training = heapq.heappop(self._arrivals)
            self._let_time_pass(arrival)
            if coordinator.halted is not None:
                break
            self._hear_of(training)
            self._start_units()
        coordinator.stop()

    def _hear(self, event: Event) -> None:
        self._events.append(event)
        if len(self._events) == self._death:
            raise _DriverDiedError

    def _start_units(self) -> None:
        while self._idle and (started := self._coordinator.next_unit()) is not None:
            configuration, seed = started
            recipe = self._config.space.recipe(configuration.values)
            curve = self._curves.curve(configuration.values, seed, recipe.epochs)
            seconds = self._curves.seconds(configuration.values)
            selected = selected_epoch(curve, recipe, self._config.ranking_metric)
            done = len(configuration.units[seed].curve)
            self._idle -= 1
            self._expect(_Training(configuration.number, seed, curve, selected, seconds, done))

    def _expect(self, training: _Training) -> None:
        """Expect a unit's next epoch in time; a unit that lost its worker after its last epoch reports at once."""
        seconds = training.seconds if training.done < len(training.curve) else 0.0
        training.done = min(training.done + 1, len(training.curve))
        heapq.heappush(self._arrivals, (self._now + seconds, next(self._order), training))

    def _let_time_pass(self, until: float) -> None:
        """Move the clock to `until`, or to when the budget was spent."""
        before, self._now = self._now, until
        if self._timed:
            self._coordinator.keep_to_budget()
        if self._coordinator.halted is not None:
            instants = np.linspace(before, until, INSTANTS)
            spent = bisect_left(
                range(INSTANTS - 1), True, key=lambda i: bool(self._budget.spent(self.board, instants[i]))
            )
            self._now = float(instants[spent])

    def _hear_of(self, training: _Training) -> None:
        number, seed = training.number, training.seed
        # As a worker does that goes on from a checkpoint: it tells the past epochs again.
        stops = [self._coordinator.report(number, seed, report) for report in training.news()]
        if any(stops):
            self._idle += 1
        elif training.done == len(training.curve):
            self._coordinator.finished(number, seed, training.selected)
            self._idle += 1
        else:
            self._expect(training)


@dataclass
class _Training:
    """A unit on a worker, from its first epoch or from a checkpoint."""

    number: int
    seed: int
    curve: np.ndarray
    selected: int
    seconds: float
    done: int
    told: int = 0

    def news(self) -> Iterator[dict[str, Any]]:
        """Reports of the epochs that this worker has not reported yet."""
        for epoch in range(self.told + 1, self.done + 1):
            rates = self.curve[epoch - 1].tolist()
            # Recorded curves hold NaN for a rate that the task does not have.
            yield {
                "epoch": epoch,
                **{name: rate for name, rate in zip(METRICS, rates, strict=True) if not math.isnan(rate)},
                "seconds": self.seconds,
            }
        self.told = self.done


def _of_repeat(config: StudyConfig, curves: LearningCurves, repeat: int) -> StudyConfig:
    """Move the sampler's seed of a study; where only some points have curves, try these points in a random order."""
    seed = config.sampler.seed + repeat
    update: dict[str, Any] = {"sampler": config.sampler.model_copy(update={"seed": seed})}
    if curves.points is not None:
        order = generator("order", seed).permutation(len(curves.points))
        most = min(len(order), config.budget.configurations or len(order))
        update["enqueue"] = tuple(curves.points[place] for place in order)
        update["budget"] = config.budget.model_copy(update={"configurations": most})
    return config.model_copy(update=update)


def selected_epoch(curve: np.ndarray, recipe: Recipe, metric: str = "score") -> int:
    """The epoch that stands for a unit, from 1, as `model.training.epoch_metrics.select_epoch` chooses it.

    `metric`: the number that the study ranks by.
    """
    if recipe.selection == "last":
        return len(curve)
    sensitive = curve[:, SENSITIVITY] > recipe.min_sensitivity
    return 1 + int(np.argmax(np.where(sensitive | ~sensitive.any(), ranked(curve, metric), -np.inf)))
