"""What MLflow's runs of a study show, decided without a server: a run for each configuration, and one for each unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlflow.entities import Metric

from sweep.study.board import Board, shown_metrics
from sweep.study.comparison import comparison_of
from sweep.study.epoch_report import OF_LAST_EPOCH, completed, drawn
from sweep.study.events import (
    ConfigurationAdded,
    ConfigurationDropped,
    EpochReported,
    Event,
    NodeAccused,
    StudyStarted,
    StudyStopped,
    UnitEnded,
    UnitFailed,
    UnitFinished,
    UnitForgiven,
    UnitLost,
    UnitPruned,
    UnitStarted,
)
from sweep.study.units import Fate, State
from sweep.tracking.parameters import parameters

LONGEST_TAG = 5000
RESTING = "SCHEDULED"
"""MLflow's word for a run that is to go on, and that no driver holds."""
CONFIGURATION_STATUS = {
    Fate.OPEN: "RUNNING",
    Fate.COMPLETE: "FINISHED",
    Fate.DROPPED: "FINISHED",
    Fate.PRUNED: "FINISHED",
    Fate.FAILED: "FAILED",
}
"""A configuration that was given up has ended as it should; `respsweep.state` says how."""
UNIT_STATUS = {
    State.WAITING: RESTING,
    State.RUNNING: "RUNNING",
    State.FINISHED: "FINISHED",
    State.PRUNED: "KILLED",
    State.FAILED: "FAILED",
}


@dataclass
class RunUpdate:
    """News of a run, and its status. Times are milliseconds since 1970.

    `since` is the start of a run that is yet to be created. `changed` is the end of a run that is over: of a unit the
    time of its latest event, of a configuration the end of its last unit, which no later news moves.
    """

    name: str
    since: int
    changed: int
    status: str
    parent: str | None = None
    metrics: list[Metric] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class RunUpdates:
    """Turns events into updates of runs, many events of a run into one update.

    A unit's run holds its curves, a step being an epoch; a configuration's run holds each metric's mean, sample standard
    deviation and 95 % confidence interval over the seeds so far, a step being their number. One that was given up
    before a seed had finished has the metrics of its last epoch as means, at step 0: MLflow's parallel coordinates
    would draw a run without a value as the best. Its `device_seconds` are those for which its units held a device. Its
    run begins with its first unit and ends with its last one. A configuration's parameters are what was searched and, in
    `fixed`, the other settings of its recipe; the tag `respsweep.state` is its fate. When a driver lets go of the
    study, the best configuration's run says so in the tag `respsweep.best`, and in `score_luck` and `score_expected` how
    much too high its score is expected to be, and what to expect instead (`any_abnormal_score_luck` and so on where the
    study ranks by something else); not where scores are none of held-out patients (`held_out`), of whom alone this can
    be said. The tag `respsweep.objective` says by what it ranks. The same events give the same values at the same times,
    however they are cut into updates.
    """

    def __init__(
        self, events: Iterable[Event] = (), *, held_out: bool = True, fixed: Mapping[str, str] | None = None
    ) -> None:
        self._board = Board()
        self._held_out = held_out
        self._fixed = parameters(fixed or {})
        self._updates: dict[str, RunUpdate] = {}
        self._began: dict[int, int] = {}
        """Start of the first unit of each configuration, in milliseconds since 1970."""
        self._ended: dict[int, int] = {}
        """End of the last unit that ended of each configuration, in milliseconds since 1970."""
        self._told: set[int] = set()
        """Configurations whose runs have their parameters."""
        self._best: int | None = None
        """The configuration whose run says that it is the best."""
        for event in events:
            self.hear(event)

    def take(self) -> list[RunUpdate]:
        """The updates since the last call, a configuration's before those of its units."""
        updates = list(self._updates.values())
        self._updates = {}
        return updates

    def hear(self, event: Event) -> None:
        """Take note of an event. Raises ValueError for one that cannot follow what was heard so far."""
        when = round(1000 * event.at)
        board = self._board
        # The board passes over epochs that a unit reports again, and a second row must not be drawn for them.
        again = isinstance(event, EpochReported) and (
            event.report["epoch"] != len(board.unit(event.configuration, event.seed).curve) + 1
        )
        # What follows the end of a configuration is not why it ended.
        is_why = isinstance(event, UnitPruned | UnitFailed) and board.fate(event.configuration) is Fate.OPEN
        board.apply(event)
        if isinstance(event, UnitStarted):
            self._began.setdefault(event.configuration, when)
        elif isinstance(event, UnitEnded):
            self._ended[event.configuration] = max(when, self._ended.get(event.configuration, when))
        match event:
            # A configuration's run begins with its first unit, and MLflow moves no start.
            case StudyStarted() | NodeAccused() | ConfigurationAdded():
                pass
            case StudyStopped():
                self._rest(when)
                self._mark_best(when)
            case ConfigurationDropped(number, reason):
                self._configuration(number, when).tags["respsweep.reason"] = _first_line(reason)
            case UnitStarted(number, seed):
                self._configuration(number, when)
                values = board.configurations[number].values
                self._unit(number, seed, when).params |= {"seed": str(seed), **parameters(values)}
            case EpochReported(number, seed, report):
                unit = self._unit(number, seed, when)
                if not again:
                    unit.metrics += _metrics(completed(report, board.metric), when)
                if report.get("note"):
                    unit.tags["respsweep.note"] = str(report["note"])[:LONGEST_TAG]
            case UnitFinished(number, seed, epoch):
                self._unit(number, seed, when).tags["respsweep.selected_epoch"] = str(epoch)
                self._summarise(number, when)
                self._tell_cost(number, event.at)
            case UnitLost(number, seed, reason):
                failures = board.unit(number, seed).failures
                lost = f"{_first_line(reason)} (failures so far: {failures})"
                self._unit(number, seed, when).tags["respsweep.lost"] = lost
            case UnitForgiven(number, seed):
                for run in (self._unit(number, seed, when), self._configuration(number, when)):
                    run.tags["respsweep.reason"] = "failed, and is tried again"
            case UnitPruned(number, seed, reason) | UnitFailed(number, seed, reason):
                self._unit(number, seed, when).tags["respsweep.reason"] = _shortened(reason)
                if is_why:
                    self._configuration(number, when).tags["respsweep.reason"] = _first_line(reason)
                self._tell_so_far(number, seed, when)
                self._tell_cost(number, event.at)

    def _configuration(self, number: int, when: int) -> RunUpdate:
        fate = self._board.fate(number)
        update = self._update(f"configuration {number}", when, CONFIGURATION_STATUS[fate])
        update.since = self._began.get(number, update.since)
        update.changed = self._ended.get(number, when)
        update.tags["respsweep.state"] = fate.value
        if number not in self._told:
            self._told.add(number)
            update.params |= {**self._fixed, **parameters(self._board.configurations[number].values)}
            update.tags["respsweep.configuration"] = str(number)
            update.tags["respsweep.objective"] = self._board.objective
        return update

    def _unit(self, number: int, seed: int, when: int) -> RunUpdate:
        unit = self._board.unit(number, seed)
        update = self._update(unit.id, when, UNIT_STATUS[unit.state])
        update.parent = f"configuration {number}"
        return update

    def _update(self, name: str, when: int, status: str) -> RunUpdate:
        update = self._updates.setdefault(name, RunUpdate(name, when, when, status))
        update.changed, update.status = when, status
        return update

    def _rest(self, when: int) -> None:
        """Mark what is not over as resting, so that nothing seems to run while no driver holds the study."""
        for configuration in self._board.configurations:
            if configuration.units and self._board.fate(configuration.number) is Fate.OPEN:
                self._configuration(configuration.number, when).status = RESTING
        for number, seed in (*self._board.running, *self._board.waiting):
            self._unit(number, seed, when).status = RESTING

    def _mark_best(self, when: int) -> None:
        """Mark the best configuration, and say how much luck is expected in its score."""
        compared = comparison_of(self._board)
        if compared is None:
            return
        if self._best is not None and self._best != compared.best:
            self._configuration(self._best, when).tags["respsweep.best"] = "no longer"
        self._best = compared.best
        run, expected = self._configuration(compared.best, when), compared.expectation(compared.best)
        run.tags["respsweep.best"] = f"of {compared.chosen_among}"
        if expected is not None and self._held_out:
            seeds = len(self._board.seeds)
            run.metrics.append(Metric(f"{compared.metric}_luck", expected.luck, when, seeds))
            run.metrics.append(Metric(f"{compared.metric}_expected", expected.mean, when, seeds))

    def _tell_so_far(self, number: int, seed: int, when: int) -> None:
        """Give a configuration without a finished seed the metrics of the last epoch of the one that was given up."""
        configuration, curve = self._board.configurations[number], self._board.unit(number, seed).curve
        if configuration.units_in(State.FINISHED) or not curve:
            return
        run, last = self._configuration(number, when), completed(curve[-1], self._board.metric)
        run.metrics += [
            Metric(f"{metric}_mean", float(last[metric]), when, 0)
            for metric in shown_metrics(self._board)
            if metric in last
        ]
        run.metrics.append(Metric("seeds", 0, when, 0))

    def _tell_cost(self, number: int, at: float) -> None:
        """Give a configuration the seconds for which its units have held a device until `at`."""
        configuration = self._board.configurations[number]
        seconds = sum(unit.seconds(at) for unit in configuration.units.values())
        seeds = len(configuration.units_in(State.FINISHED))
        self._configuration(number, round(1000 * at)).metrics.append(
            Metric("device_seconds", seconds, round(1000 * at), seeds)
        )

    def _summarise(self, number: int, when: int) -> None:
        configuration = self._board.configurations[number]
        run = self._configuration(number, when)
        for metric in shown_metrics(self._board):
            summary = configuration.summary(metric)
            if summary is None:
                continue
            run.metrics.append(Metric(f"{metric}_mean", summary.mean, when, summary.seeds))
            if summary.sd is not None:
                run.metrics.append(Metric(f"{metric}_sd", summary.sd, when, summary.seeds))
            for end, value in zip(("low", "high"), summary.interval() or (), strict=False):
                run.metrics.append(Metric(f"{metric}_ci95_{end}", value, when, summary.seeds))
        for metric in OF_LAST_EPOCH:
            if (summary := configuration.summary(metric)) is not None:
                run.metrics.append(Metric(f"{metric}_mean", summary.mean, when, summary.seeds))
                if summary.sd is not None:
                    run.metrics.append(Metric(f"{metric}_sd", summary.sd, when, summary.seeds))
        seeds = len(configuration.units_in(State.FINISHED))
        run.metrics.append(Metric("seeds", seeds, when, seeds))


def _metrics(report: Mapping[str, Any], when: int) -> list[Metric]:
    return [
        Metric(name, float(value), when, int(report["epoch"]))
        for name, value in report.items()
        if drawn(name)
    ]


def _shortened(reason: str) -> str:
    """Cut a reason so that it fits into a tag: its first line, and the end of its traceback, where the cause is."""
    if len(reason) <= LONGEST_TAG:
        return reason
    opening = f"{_first_line(reason)[: LONGEST_TAG // 2]}\n...\n"
    return opening + reason[len(opening) - LONGEST_TAG :]


def _first_line(text: str) -> str:
    return text.partition("\n")[0][:LONGEST_TAG]
