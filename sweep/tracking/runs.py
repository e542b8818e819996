"""MLflow's runs of a study: a run for each configuration, and below it a run for each unit.

`RunUpdates` decides, without a server, what the runs show; `Runs` writes that to the server.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Metric, Param, Run, RunTag, ViewType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from sweep.study.board import Board, shown_metrics
from sweep.study.comparison import comparison_of
from sweep.study.epoch_report import completed, drawn
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
from sweep.tracking.experiments import experiment_with_runs_of
from sweep.tracking.messages import STUDY
from sweep.tracking.one_transaction import one_transaction
from sweep.tracking.parameters import parameters

log = logging.getLogger(__name__)

LONGEST_TAG = 5000
PAGE = 500
KEY = "respsweep.key"
OVER = ("FINISHED", "FAILED", "KILLED")
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
        seeds = len(configuration.units_in(State.FINISHED))
        run.metrics.append(Metric("seeds", seeds, when, seeds))


@dataclass
class _Run:
    """What the server has of a run."""

    id: str
    status: str
    ended: int | None = None
    deleted: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of a run that an earlier driver left."""


class Runs:
    """The runs of a study on the server, by name.

    Every request may be repeated when no answer came: a run is found by its key, and MLflow keeps a value once that is
    written twice.
    """

    def __init__(self, client: MlflowClient, experiment: str, study_id: str, tags: Mapping[str, str]) -> None:
        self._client = client
        self._experiment = experiment
        self._study_id = study_id
        self._tags = dict(tags)
        self._runs: dict[str, _Run] = {}
        self._attempts: Counter[str] = Counter()

    @property
    def client(self) -> MlflowClient:
        """What speaks to the server."""
        return self._client

    def tag_experiment(self, tag: str, value: str) -> None:
        """Give the experiment a tag."""
        self._client.set_experiment_tag(self._experiment, tag, value)

    def recall(self, name: str | None = None) -> None:
        """Learn what the server has of all runs, or of the run `name`; of runs with the same key keep the best alone."""
        tag, value = (STUDY, self._study_id) if name is None else (KEY, self._key(name))
        found: dict[str, list[Run]] = {}
        for run in self._search(f"tags.`{tag}` = '{value}'"):
            found.setdefault(run.data.tags[KEY].removeprefix(self._key("")), []).append(run)
        for key, runs in found.items():
            run, *doubles = sorted(runs, key=partial(self._worth, self._runs.get(key)), reverse=True)
            for double in doubles:
                if _active(double):
                    self._client.delete_run(double.info.run_id)
            info = run.info
            self._runs[key] = _Run(info.run_id, info.status, info.end_time, not _active(run), run.data.tags)

    def look_elsewhere(self) -> None:
        """Turn to the experiment that has the runs of the study, if there are none in the one of its name.

        So it is of a study that was renamed, where the new name is that of somebody else's experiment.
        """
        if self._runs:
            return
        former = experiment_with_runs_of(self._client, self._study_id)
        if former is not None:
            self._experiment = former.experiment_id
            self.recall()

    def shows(self, update: RunUpdate) -> bool:
        """Whether the server has all of an update: its run is over and there to its end, or somebody deleted it.

        What was told of a configuration after its end is known by its tags.
        """
        run = self._runs.get(update.name)
        if run is None or update.status not in OVER:
            return False
        return run.deleted or (
            (run.status, run.ended) == (update.status, update.changed)
            and update.tags.items() <= run.tags.items()
        )

    def write_together(self, updates: Iterable[RunUpdate]) -> bool:
        """Bring runs up to date in one transaction, where MLflow is a database of this machine.

        False when that cannot be done, or went wrong: then nothing is written, and `write` says what is wrong.
        """
        updates = tuple(updates)
        before = {one.name: replace(self._runs[one.name]) for one in updates if one.name in self._runs}
        try:
            with one_transaction(self._client):
                for update in updates:
                    self.write(update)
        except Exception as error:
            log.debug("not written together: %s", error)
            for update in updates:
                self._runs.pop(update.name, None)
            self._runs |= before
            return False
        return True

    def write(self, update: RunUpdate) -> None:
        """Bring a run on the server up to date, and create it if need be."""
        known = update.name in self._runs
        run = self._find_or_create(update)
        # A run is created with its tags.
        tags = [RunTag(key, value) for key, value in update.tags.items() if known]
        params = [Param(key, value) for key, value in update.params.items()]
        if tags or params or update.metrics:
            self._client.log_batch(run.id, metrics=update.metrics, params=params, tags=tags)
        # The end is written last, so that `shows` can rely on it.
        if update.status in OVER:
            self._client.set_terminated(run.id, update.status, update.changed)
            run.ended = update.changed
        elif update.status != run.status:
            self._client.update_run(run.id, update.status)
        run.status = update.status

    def all(self) -> dict[str, Run]:
        """Find all runs of the study that nobody deleted, by name, as the server has them now."""
        found = self._search(f"tags.`{STUDY}` = '{self._study_id}'")
        return {run.data.tags[KEY].removeprefix(self._key("")): run for run in found if _active(run)}

    def settle(self) -> None:
        """Delete doubles of runs: a server that hung may have created a run after it was asked a second time."""
        if any(attempts > 1 for attempts in self._attempts.values()):
            self.recall()

    def _key(self, name: str) -> str:
        return f"{self._study_id}/{name}"

    def _search(self, condition: str) -> list[Run]:
        runs: list[Run] = []
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], condition, ViewType.ALL, max_results=PAGE, page_token=token
            )
            runs += page
            token = page.token
            if not token:
                return runs

    @staticmethod
    def _worth(known: _Run | None, run: Run) -> tuple[bool, bool, int]:
        """Make a sort key of a run: of runs for one unit or configuration the fullest is kept."""
        return _active(run), known is not None and run.info.run_id == known.id, len(run.data.params)

    def _find_or_create(self, update: RunUpdate) -> _Run:
        name = update.name
        if name not in self._runs and self._attempts[name]:
            # An attempt got no answer, which does not say that it created no run.
            self.recall(name)
        if name not in self._runs:
            self._attempts[name] += 1
            self._runs[name] = self._create(update)
        return self._runs[name]

    def _create(self, update: RunUpdate) -> _Run:
        tags = {
            **self._tags,
            **update.tags,
            MLFLOW_RUN_NAME: update.name,
            STUDY: self._study_id,
            KEY: self._key(update.name),
        }
        if update.parent in self._runs:
            tags[MLFLOW_PARENT_RUN_ID] = self._runs[update.parent].id
        info = self._client.create_run(self._experiment, update.since, tags, update.name).info
        return _Run(info.run_id, info.status)


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


def _active(run: Run) -> bool:
    return run.info.lifecycle_stage == LifecycleStage.ACTIVE
