"""What a board holds: configurations, their units, and what became of both."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from evidence.seed_statistics import rate_interval
from sweep.study.epoch_report import OF_LAST_EPOCH, content_fault, shape_fault


class State(StrEnum):
    """Where a unit stands. A waiting unit lost its worker and goes on from its checkpoint."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    PRUNED = "pruned"
    FAILED = "failed"


class Fate(StrEnum):
    """What has become of a configuration. An open configuration may still get a seed."""

    OPEN = "open"
    COMPLETE = "complete"
    DROPPED = "dropped"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass
class Span:
    """A stretch of time, in seconds; `heard` is when its last news came. `ended` is None while the span lasts.

    `gpus`: GPUs, or the share of a GPU, held meanwhile. `node`: where; empty where that is not known. `repeated`:
    seconds before `heard` that went into epochs which had been trained before, as no checkpoint held them. `carried`:
    seconds of an earlier span that were not lost at its end, as the unit was saved in the middle of an epoch.
    """

    started: float
    heard: float
    ended: float | None = None
    gpus: float = 0.0
    node: str = ""
    repeated: float = 0.0
    carried: float = 0.0

    def seconds(self, now: float) -> float:
        return max(0.0, (now if self.ended is None else self.ended) - self.started)


@dataclass
class Unit:
    """One configuration trained with one seed. Each of its `attempts` held a device."""

    configuration: int
    seed: int
    state: State = State.RUNNING
    curve: list[Mapping[str, Any]] = field(default_factory=list)
    selected: Mapping[str, Any] | None = None
    reason: str | None = None
    attempts: list[Span] = field(default_factory=list)
    failures: int = 0
    """Deaths since the last ended epoch that count against this unit (`sweep.study.blame.death_counts`)."""
    silences: int = 0
    """How many workers of this unit were killed for their silence since it last ended an epoch."""
    out_of_memory: bool = False
    died_on: list[str] = field(default_factory=list)
    """Nodes on which this unit died, or that died under it, since it last ended an epoch or was given notice."""
    notes: list[str] = field(default_factory=list)
    """What its workers told beside its epochs, each once: that batches are trained in chunks, say."""

    @property
    def id(self) -> str:
        return unit_id(self.configuration, self.seed)

    @property
    def over(self) -> bool:
        return self.state not in (State.RUNNING, State.WAITING)

    @property
    def came_on(self) -> bool:
        """Whether the present, or last, attempt has ended an epoch."""
        return bool(self.attempts) and self.attempts[-1].heard > self.attempts[-1].started

    @property
    def placed(self) -> bool:
        """Whether this unit holds a device."""
        return bool(self.attempts) and self.attempts[-1].ended is None

    def refusal(self, report: Mapping[str, Any], metric: str = "score") -> str | None:
        """Say why this unit cannot have reported an epoch so; None for the next epoch, and for one heard before.

        One heard before counts only for its note: without one nobody looks at the rest. `metric`: the number that the
        study ranks by.
        """
        if (fault := shape_fault(report)) is not None:
            return fault
        epoch, due = report["epoch"], len(self.curve) + 1
        if not 1 <= epoch <= due:
            return f"epoch {epoch} was reported, and epoch {due} is the next one"
        return content_fault(report, metric) if epoch == due or "note" in report else None

    @property
    def node(self) -> str:
        """Where this unit is running; empty when it is not, or where that is not known."""
        return self.attempts[-1].node if self.placed else ""

    def held(self, now: float) -> float:
        """Seconds for which this unit has held the device that it holds; 0 when it holds none."""
        return self.attempts[-1].seconds(now) if self.placed else 0.0

    def seconds(self, now: float) -> float:
        """Seconds for which this unit has held a device."""
        return sum(attempt.seconds(now) for attempt in self.attempts)

    def gpu_seconds(self, now: float) -> float:
        """GPU seconds: seconds times the GPUs, or the share of a GPU, that this unit held."""
        return sum(attempt.gpus * attempt.seconds(now) for attempt in self.attempts)


@dataclass
class Configuration:
    """One point of the search space and the units that it was given."""

    number: int
    values: Mapping[str, Any]
    sampler_state: Mapping[str, Any] = field(default_factory=dict)
    """What the sampler wants to find again (`ConfigurationAdded`)."""
    units: dict[int, Unit] = field(default_factory=dict)
    dropped: str | None = None
    """Why the race gave this configuration up; None if it did not."""

    def units_in(self, *states: State) -> list[Unit]:
        return [unit for unit in self.units.values() if unit.state in states]

    def complete(self, seeds: Sequence[int]) -> bool:
        """Whether every seed was trained to its end."""
        return all(seed in self.units and self.units[seed].state is State.FINISHED for seed in seeds)

    def fate(self, seeds: Sequence[int]) -> Fate:
        if self.units_in(State.FAILED):
            return Fate.FAILED
        if self.units_in(State.PRUNED):
            return Fate.PRUNED
        if self.dropped is not None:
            return Fate.DROPPED
        return Fate.COMPLETE if self.complete(seeds) else Fate.OPEN

    def next_seed(self, seeds: Sequence[int]) -> int | None:
        """The first seed that was not started."""
        return next((seed for seed in seeds if seed not in self.units), None)

    def finished_values(self, metric: str) -> list[float]:
        """List the metric of each finished unit that reported it, of the epoch that stands for it.

        What is of the last weights is taken from the last epoch (`OF_LAST_EPOCH`).
        """
        told = [
            unit.curve[-1] if metric in OF_LAST_EPOCH else unit.selected
            for unit in self.units.values()
            if unit.state is State.FINISHED
        ]
        return [report[metric] for report in told if report is not None and metric in report]

    def summary(self, metric: str = "score") -> Summary | None:
        """Summarise a metric over the finished units that reported it; None when none did."""
        values = self.finished_values(metric)
        return Summary.of(values) if values else None


@dataclass(frozen=True)
class Summary:
    """A metric over seeds: mean, sample standard deviation (None for one seed) and the number of seeds."""

    mean: float
    sd: float | None
    seeds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        sd = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), sd, len(values))

    def interval(self) -> tuple[float, float] | None:
        """95 % interval of a rate's mean over endless seeds, within [0, 1]; None for fewer than three seeds."""
        return None if self.sd is None else rate_interval(self.mean, self.sd, self.seeds)

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f}{'' if self.sd is None else f' ± {100 * self.sd:.1f}'} %"


def unit_id(configuration: int, seed: int) -> str:
    """Name of a unit's folder and run."""
    return f"{configuration:04d}-seed{seed}"
