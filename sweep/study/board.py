"""The state of a study in plain Python: configurations, their units, scores and decisions.

Pure: it changes only by applying events, and knows neither clock, disk, Ray, Optuna nor MLflow. The same
events in the same order give the same board, so a file of events (`sweep.study.journal`) is a study.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evidence.objectives import OBJECTIVES, Objective
from sweep.study.epoch_report import CARRIED, OF_LAST_EPOCH, REPEATED, completed
from sweep.study.epoch_times import EpochTimes
from sweep.study.events import (
    ConfigurationAdded,
    ConfigurationDropped,
    EpochReported,
    Event,
    NodeAccused,
    StudyStarted,
    StudyStopped,
    UnitFailed,
    UnitFinished,
    UnitForgiven,
    UnitLost,
    UnitPlaced,
    UnitPruned,
    UnitStarted,
)
from sweep.study.nodes import Node
from sweep.study.score_table import METRICS, ScoreTable
from sweep.study.units import Configuration, Fate, Span, State, Unit, unit_id

FOLD = "folds.fold"
"""The recipe field that names the fold whose patients validate. Where it is varied, other exams were taken."""


class Board:
    """All configurations of a study, by number from 0."""

    def __init__(self, seeds: Sequence[int] = (), events: Iterable[Event] = ()) -> None:
        self.seeds = tuple(seeds)
        self.objective: Objective = "score"
        """By what configurations are pruned, raced and ranked."""
        self.configurations: list[Configuration] = []
        self.running: dict[tuple[int, int], Unit] = {}
        self.waiting: dict[tuple[int, int], Unit] = {}
        """Units without a worker whose configuration is open, in the order in which they lost it."""
        self.scores = ScoreTable(len(self.seeds))
        self.nodes: dict[str, Node] = {}
        """Nodes on which a unit of the present, or last, driver ended an epoch or died, by name."""
        self.epoch_times = EpochTimes()
        self.silences = 0
        """How many workers the present driver killed for their silence since any unit last ended an epoch."""
        self.drivers: list[Span] = []
        self.stopped: str | None = None
        """Why the last driver let go; None while one holds the study."""
        self.decisions = 0
        """Number of events heard that are no reports: what was derived from the board stands while this stays."""
        self.ended: Counter[State] = Counter()
        self.device_seconds: dict[State, float] = defaultdict(float)
        """Device time of the units that are over, by how they ended."""
        self._gpu_seconds = 0.0
        self._gpus = 0.0
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Take note of an event. Raises ValueError, and changes nothing, for an event that cannot follow the others."""
        match event:
            case StudyStarted(seeds, gpus=gpus, objective=objective, at=at):
                self._start(seeds, gpus, objective, at)
            case StudyStopped(reason, at=at):
                self._driver().ended = at
                self.stopped = reason
            case ConfigurationAdded(number, values, sampler_state):
                if number != len(self.configurations):
                    raise ValueError(
                        f"configuration {number} cannot follow {len(self.configurations)} others"
                    )
                self.configurations.append(Configuration(number, dict(values), sampler_state))
                self.scores.add()
                self.epoch_times.add()
            case ConfigurationDropped(number, reason):
                self._drop(number, reason)
            case UnitStarted(number, seed, placed, at=at):
                self._start_unit(number, seed, at, placed=placed)
            case UnitPlaced(number, seed, node, at=at):
                self._place(self._running(number, seed), node, at)
            case EpochReported(number, seed, report, at=at):
                self._report(self._running(number, seed), report, at)
                return
            case UnitFinished(number, seed, epoch, at=at):
                self._finish(number, seed, epoch, at)
            case UnitPruned(number, seed, reason, at=at):
                self._end(self._under_way(number, seed), State.PRUNED, at, reason)
            case UnitLost():
                self._lose(event)
            case UnitFailed(number, seed, reason, at=at):
                self._end(self._under_way(number, seed), State.FAILED, at, reason)
            case UnitForgiven(number, seed):
                self._forgive(number, seed)
            case NodeAccused(node, reason, at=at):
                self.nodes.setdefault(node, Node()).note_accusation(at, reason)
        self.decisions += 1

    def unit(self, configuration: int, seed: int) -> Unit:
        """Find a unit that was started. Raises ValueError for a unit that never was."""
        units = self._configuration(configuration).units
        if seed not in units:
            raise ValueError(f"{unit_id(configuration, seed)} was not started")
        return units[seed]

    def units(self) -> list[Unit]:
        return [unit for configuration in self.configurations for unit in configuration.units.values()]

    @property
    def started(self) -> int:
        """How many units were ever started."""
        return self.ended.total() + len(self.running) + len(self.waiting)

    def fate(self, number: int) -> Fate:
        return self._configuration(number).fate(self.seeds)

    @property
    def metric(self) -> str:
        """The number that the objective is, as reports and summaries name it."""
        return OBJECTIVES[self.objective]

    @property
    def competes(self) -> bool:
        """Whether configurations are compared with each other; not where each is a finalist on a fold of its own."""
        return not any(FOLD in configuration.values for configuration in self.configurations[:1])

    def ranking(self) -> list[Configuration]:
        """Rank the configurations with every seed finished by the objective: best mean first, equal means by number."""
        return [self.configurations[row] for row in self.scores.ranking()]

    def best(self) -> Configuration | None:
        """The configuration to export, or None while none has all its seeds."""
        return next(iter(self.ranking()), None)

    def gpu_seconds(self, now: float) -> float:
        """GPU time of all units so far."""
        under_way = [*self.running.values(), *self.waiting.values()]
        return self._gpu_seconds + sum(unit.gpu_seconds(now) for unit in under_way)

    def wall_seconds(self, now: float) -> float:
        """Time for which a driver has held the study."""
        return sum((driver.seconds(now) for driver in self.drivers), 0.0)

    def _configuration(self, number: int) -> Configuration:
        if not 0 <= number < len(self.configurations):
            raise ValueError(f"there is no configuration {number} among {len(self.configurations)}")
        return self.configurations[number]

    def _driver(self) -> Span:
        if not self.drivers or self.drivers[-1].ended is not None:
            raise ValueError("no driver holds the study")
        return self.drivers[-1]

    def _running(self, configuration: int, seed: int) -> Unit:
        unit = self.unit(configuration, seed)
        if unit.state is not State.RUNNING:
            raise ValueError(f"{unit.id} is {unit.state}, not running")
        return unit

    def _under_way(self, configuration: int, seed: int) -> Unit:
        unit = self.unit(configuration, seed)
        if unit.over:
            raise ValueError(f"{unit.id} is {unit.state}, so it cannot end again")
        return unit

    def _start(self, seeds: tuple[int, ...], gpus: float, objective: Objective, at: float) -> None:
        if self.drivers and self.drivers[-1].ended is None:
            raise ValueError("a driver holds the study already")
        if seeds[: len(self.seeds)] != self.seeds:
            raise ValueError(f"seeds {list(seeds)} do not begin with those so far, {list(self.seeds)}")
        if (self.drivers or self.configurations) and objective != self.objective:
            raise ValueError(
                f"objective {objective}, where the study has been ranked by {self.objective} so far"
            )
        self.objective = objective
        self.scores.ranked_by = self.metric
        self.seeds, self._gpus = seeds, gpus
        self.scores.widen(len(seeds))
        self.drivers.append(Span(at, at))
        self.stopped = None
        # What was wrong with a node may have been mended meanwhile.
        self.nodes = {}
        self.silences = 0
        self.epoch_times.begin()

    def _drop(self, number: int, reason: str) -> None:
        configuration = self._configuration(number)
        if configuration.fate(self.seeds) is not Fate.OPEN or configuration.units_in(
            State.RUNNING, State.WAITING
        ):
            raise ValueError(f"configuration {number} is not open, or still runs: it cannot be dropped")
        configuration.dropped = reason
        self.scores.close(number)

    def _start_unit(self, number: int, seed: int, at: float, *, placed: bool) -> None:
        configuration = self._configuration(number)
        if (number, seed) in self.waiting:
            unit = self.waiting.pop((number, seed))
            unit.state, unit.reason = State.RUNNING, None
        elif seed in configuration.units:
            raise ValueError(f"{unit_id(number, seed)} was already started")
        elif seed not in self.seeds:
            raise ValueError(f"seed {seed} is not among the study's {list(self.seeds)}")
        else:
            unit = configuration.units[seed] = Unit(number, seed)
            self.scores.start(number)
        if placed:
            unit.attempts.append(Span(at, at, gpus=self._gpus))
        self.running[number, seed] = unit

    def _place(self, unit: Unit, node: str, at: float) -> None:
        if unit.placed:
            unit.attempts[-1].ended = at
        unit.attempts.append(Span(at, at, gpus=self._gpus, node=node))

    def _report(self, unit: Unit, report: Mapping[str, Any], at: float) -> None:
        if (refusal := unit.refusal(report, self.metric)) is not None:
            raise ValueError(f"{unit.id}: {refusal}")
        if (note := report.get("note")) and note not in unit.notes:
            unit.notes.append(note)
        # A unit that lost its worker reports its past epochs again.
        if report["epoch"] == len(unit.curve) + 1:
            unit.curve.append(completed(report, self.metric))
            unit.failures, unit.silences, unit.died_on = 0, 0, []
            self.silences = 0
            for attempt in unit.attempts[-1:]:
                repeated, carried = report.get(REPEATED, 0.0), report.get(CARRIED, 0.0)
                self.epoch_times.count_epoch(unit.configuration, at - attempt.heard - repeated + carried)
                attempt.heard = at
                attempt.repeated += repeated
                attempt.carried += carried
                if attempt.node:
                    self.nodes.setdefault(attempt.node, Node()).note_epoch(attempt.started, at)

    def _lose(self, event: UnitLost) -> None:
        unit = self._running(event.configuration, event.seed)
        if event.cause == "notice" or (event.cause == "node" and unit.came_on):
            unit.died_on = []
        elif event.cause != "driver" and not event.out_of_memory:
            unit.died_on.append(event.node)
            if event.node and event.cause != "node":
                node = self.nodes.setdefault(event.node, Node())
                node.note_death((unit.configuration, unit.seed), event.at, unit.held(event.at))
        self._release(unit, State.WAITING, event.at, event.reason)
        unit.failures += event.counts
        if event.cause == "silence":
            unit.silences += 1
            self.silences += 1
        unit.out_of_memory = unit.out_of_memory or event.out_of_memory
        self.waiting[unit.configuration, unit.seed] = unit

    def _finish(self, number: int, seed: int, epoch: int, at: float) -> None:
        unit = self._running(number, seed)
        if not 1 <= epoch <= len(unit.curve):
            raise ValueError(
                f"{unit.id} reported {len(unit.curve)} epochs, so epoch {epoch} cannot stand for it"
            )
        unit.selected = unit.curve[epoch - 1]
        self.scores.fill(number, self.seeds.index(seed), unit.selected)
        for attempt in unit.attempts[-1:]:
            self.epoch_times.count_end(number, at - attempt.heard)
        self._end(unit, State.FINISHED, at, None)

    def _end(self, unit: Unit, state: State, at: float, reason: str | None) -> None:
        self._release(unit, state, at, reason)
        self.ended[state] += 1
        self.device_seconds[state] += unit.seconds(at)
        self._gpu_seconds += unit.gpu_seconds(at)
        if state is not State.FINISHED:
            self.scores.close(unit.configuration)

    def _forgive(self, number: int, seed: int) -> None:
        unit = self.unit(number, seed)
        if unit.state is not State.FAILED:
            raise ValueError(f"{unit.id} is {unit.state}, so there is nothing to forgive")
        self.ended -= Counter([State.FAILED])
        # Every attempt has ended, so that the time does not matter.
        self.device_seconds[State.FAILED] -= unit.seconds(0.0)
        self._gpu_seconds -= unit.gpu_seconds(0.0)
        unit.state, unit.failures, unit.silences = State.WAITING, 0, 0
        unit.died_on, unit.out_of_memory = [], False
        self.waiting[number, seed] = unit
        if self.fate(number) is Fate.OPEN:
            self.scores.reopen(number)
        if self.stopped is not None:
            self.stopped = "a failed unit is to be tried again"

    def _release(self, unit: Unit, state: State, at: float, reason: str | None) -> None:
        """Note that a unit holds no device any more."""
        key = unit.configuration, unit.seed
        self.running.pop(key, None)
        self.waiting.pop(key, None)
        for attempt in unit.attempts[-1:]:
            attempt.ended = at if attempt.ended is None else attempt.ended
        unit.state, unit.reason = state, reason


def shown_metrics(board: Board) -> tuple[str, ...]:
    """Name the metrics that tables show: what every unit reports, and what the study ranks by."""
    return tuple(dict.fromkeys((*METRICS, board.metric)))


def last_epoch_metrics(board: Board) -> tuple[str, ...]:
    """Name the metrics of last weights that some unit has reported: none, unless the study's recipe asks for them."""
    return tuple(
        name for name in OF_LAST_EPOCH if any(unit.curve and name in unit.curve[-1] for unit in board.units())
    )
