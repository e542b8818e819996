"""What MLflow's runs show of a study: one run for each configuration, and below it one for each unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlflow.entities import Metric, Param

from sweep.board import (
    RATES,
    Board,
    ConfigurationAdded,
    EpochReported,
    Event,
    State,
    UnitFailed,
    UnitFinished,
    UnitPruned,
    UnitStarted,
    unit_id,
)

CURVES = (*RATES, "train_loss", "cross_entropy", "learning_rate", "seconds")
LONGEST_TAG = 5000


@dataclass
class RunUpdate:
    """What is new about one run. Times are milliseconds since 1970."""

    name: str
    since: int
    changed: int
    parent: str | None = None
    metrics: list[Metric] = field(default_factory=list)
    params: list[Param] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    status: str | None = None


class RunUpdates:
    """Turns events into updates of runs, many events of a run into one update.

    A unit's run holds its curves, a step being an epoch; a configuration's run holds each rate's mean and
    sample standard deviation over the seeds so far, a step being their number.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._board = Board(seeds)
        self._updates: dict[str, RunUpdate] = {}

    def take(self) -> list[RunUpdate]:
        """The updates since the last call, a configuration's before those of its units."""
        updates = list(self._updates.values())
        self._updates = {}
        return updates

    def hear(self, when: int, event: Event) -> None:
        """Take note of an event that happened at `when`, in milliseconds since 1970."""
        self._board.apply(event)
        if isinstance(event, ConfigurationAdded):
            run = self._configuration(event.configuration, when)
            run.params += _params(event.values)
            run.tags["respsweep.configuration"] = str(event.configuration)
            return
        unit = self._unit(event.configuration, event.seed, when)
        match event:
            case UnitStarted(number, seed):
                unit.params += [Param("seed", str(seed)), *_params(self._board.configurations[number].values)]
            case EpochReported(_, _, report):
                unit.metrics += [
                    Metric(name, float(value), when, int(report["epoch"]))
                    for name, value in report.items()
                    if name in CURVES or name.startswith("contrast_")
                ]
            case UnitFinished(number, _, epoch):
                unit.status = "FINISHED"
                unit.tags["respsweep.selected_epoch"] = str(epoch)
                self._summarise(number, when)
            case UnitPruned(number, _, reason):
                self._stop(unit, self._configuration(number, when), "KILLED", reason)
            case UnitFailed(number, _, reason):
                self._stop(unit, self._configuration(number, when), "FAILED", reason)

    def _configuration(self, number: int, when: int) -> RunUpdate:
        return self._update(f"configuration {number}", when)

    def _unit(self, number: int, seed: int, when: int) -> RunUpdate:
        update = self._update(unit_id(number, seed), when)
        update.parent = f"configuration {number}"
        return update

    def _update(self, name: str, when: int) -> RunUpdate:
        update = self._updates.setdefault(name, RunUpdate(name, when, when))
        update.changed = when
        return update

    def _summarise(self, number: int, when: int) -> None:
        configuration = self._board.configurations[number]
        run = self._configuration(number, when)
        for rate in RATES:
            summary = configuration.summary(rate)
            assert summary is not None, "called when a unit has finished"
            run.metrics.append(Metric(f"{rate}_mean", summary.mean, when, summary.seeds))
            if summary.sd is not None:
                run.metrics.append(Metric(f"{rate}_sd", summary.sd, when, summary.seeds))
        seeds = len(configuration.units_in(State.FINISHED))
        run.metrics.append(Metric("seeds", seeds, when, seeds))
        if configuration.complete(self._board.seeds):
            run.status = "FINISHED"

    @staticmethod
    def _stop(unit: RunUpdate, configuration: RunUpdate, status: str, reason: str) -> None:
        unit.status = configuration.status = status
        unit.tags["respsweep.reason"] = reason[:LONGEST_TAG]
        configuration.tags["respsweep.reason"] = reason.splitlines()[0][:LONGEST_TAG]


def _params(values: Mapping[str, Any]) -> list[Param]:
    return [Param(path, str(value)) for path, value in values.items()]
