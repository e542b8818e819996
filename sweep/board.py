"""The state of a study in plain Python: configurations, their units, scores and decisions.

Pure: it changes only by applying events, and knows neither clock, disk, Ray, Optuna nor MLflow. The same
events in the same order give the same board, so a file of events (`sweep.journal`) is a study.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

RATES = ("score", "sensitivity", "specificity", "any_abnormal_score")


class State(StrEnum):
    """Where a unit stands."""

    RUNNING = "running"
    FINISHED = "finished"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True)
class ConfigurationAdded:
    """The search proposed a point: `values` by dotted recipe field, those that the search space varies."""

    configuration: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class UnitStarted:
    configuration: int
    seed: int


@dataclass(frozen=True)
class EpochReported:
    """One epoch of a unit: `report` holds `epoch` (from 1), RATES (fractions) and whatever else is logged."""

    configuration: int
    seed: int
    report: Mapping[str, Any]


@dataclass(frozen=True)
class UnitFinished:
    """A unit trained to its end; `epoch` is the one whose validation rates stand for it."""

    configuration: int
    seed: int
    epoch: int


@dataclass(frozen=True)
class UnitPruned:
    configuration: int
    seed: int
    reason: str


@dataclass(frozen=True)
class UnitFailed:
    configuration: int
    seed: int
    reason: str


Event = ConfigurationAdded | UnitStarted | EpochReported | UnitFinished | UnitPruned | UnitFailed


@dataclass
class Unit:
    """One configuration trained with one seed."""

    configuration: int
    seed: int
    state: State = State.RUNNING
    curve: list[Mapping[str, Any]] = field(default_factory=list)
    selected: Mapping[str, Any] | None = None
    reason: str | None = None

    @property
    def id(self) -> str:
        return unit_id(self.configuration, self.seed)


@dataclass
class Configuration:
    """One point of the search space and the units that it was given."""

    number: int
    values: Mapping[str, Any]
    units: dict[int, Unit] = field(default_factory=dict)

    def units_in(self, state: State) -> list[Unit]:
        return [unit for unit in self.units.values() if unit.state is state]

    @property
    def settled(self) -> bool:
        """A unit was pruned or failed, so that it gets no further seed."""
        return any(unit.state in (State.PRUNED, State.FAILED) for unit in self.units.values())

    def next_seed(self, seeds: Sequence[int]) -> int | None:
        """The seed to run next: further ones only once the first has finished."""
        if self.settled:
            return None
        if self.units and not self.units_in(State.FINISHED):
            return None
        return next((seed for seed in seeds if seed not in self.units), None)

    def complete(self, seeds: Sequence[int]) -> bool:
        """Every seed was trained to its end."""
        return all(seed in self.units and self.units[seed].state is State.FINISHED for seed in seeds)

    def over(self, seeds: Sequence[int]) -> bool:
        """Nothing of it runs or will run."""
        return not self.units_in(State.RUNNING) and (self.settled or self.complete(seeds))

    def summary(self, rate: str = "score") -> Summary | None:
        """Mean and spread of a rate over the finished units, or None when there is none."""
        values = [unit.selected[rate] for unit in self.units_in(State.FINISHED) if unit.selected is not None]
        return Summary.of(values) if values else None


@dataclass(frozen=True)
class Summary:
    """A rate over seeds: mean, sample standard deviation (None for one seed) and the number of seeds."""

    mean: float
    sd: float | None
    seeds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        sd = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), sd, len(values))

    def __str__(self) -> str:
        return f"{self.mean:.3f}" if self.sd is None else f"{self.mean:.3f} ± {self.sd:.3f}"


class Board:
    """All configurations of a study, by number from 0."""

    def __init__(self, seeds: Sequence[int], events: Iterable[Event] = ()) -> None:
        self.seeds = tuple(seeds)
        self.configurations: list[Configuration] = []
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Take note of an event. Raises ValueError for one that cannot follow what is on the board."""
        match event:
            case ConfigurationAdded(number, values):
                if number != len(self.configurations):
                    raise ValueError(
                        f"configuration {number} cannot follow {len(self.configurations)} others"
                    )
                self.configurations.append(Configuration(number, dict(values)))
            case UnitStarted(number, seed):
                configuration = self._configuration(number)
                if seed in configuration.units:
                    raise ValueError(f"{unit_id(number, seed)} was already started")
                configuration.units[seed] = Unit(number, seed)
            case EpochReported(number, seed, report):
                curve = self._running(number, seed).curve
                # A unit that lost its worker reports its past epochs again.
                if report["epoch"] == len(curve) + 1:
                    curve.append(dict(report))
            case UnitFinished(number, seed, epoch):
                unit = self._running(number, seed)
                if not 1 <= epoch <= len(unit.curve):
                    raise ValueError(
                        f"{unit.id} reported {len(unit.curve)} epochs, so epoch {epoch} cannot stand for it"
                    )
                unit.selected = unit.curve[epoch - 1]
                unit.state = State.FINISHED
            case UnitPruned(number, seed, reason):
                self._stop(number, seed, State.PRUNED, reason)
            case UnitFailed(number, seed, reason):
                self._stop(number, seed, State.FAILED, reason)

    def unit(self, configuration: int, seed: int) -> Unit:
        """A unit that was started. Raises ValueError for any other."""
        units = self._configuration(configuration).units
        if seed not in units:
            raise ValueError(f"{unit_id(configuration, seed)} was not started")
        return units[seed]

    def units(self) -> list[Unit]:
        return [unit for configuration in self.configurations for unit in configuration.units.values()]

    def waiting_unit(self) -> tuple[int, int] | None:
        """(configuration, seed) to run next; None when each one so far has what it may have now."""
        for configuration in self.configurations:
            seed = configuration.next_seed(self.seeds)
            if seed is not None:
                return configuration.number, seed
        return None

    def ranking(self) -> list[Configuration]:
        """Configurations with every seed finished, best mean score first, equal ones in order of number."""
        complete = [
            configuration for configuration in self.configurations if configuration.complete(self.seeds)
        ]
        return sorted(complete, key=lambda configuration: -_mean_score(configuration))

    def best(self) -> Configuration | None:
        """The configuration to export, or None while none has all its seeds."""
        return next(iter(self.ranking()), None)

    def _configuration(self, number: int) -> Configuration:
        if not 0 <= number < len(self.configurations):
            raise ValueError(f"there is no configuration {number} among {len(self.configurations)}")
        return self.configurations[number]

    def _running(self, configuration: int, seed: int) -> Unit:
        unit = self.unit(configuration, seed)
        if unit.state is not State.RUNNING:
            raise ValueError(f"{unit.id} is {unit.state}, not running")
        return unit

    def _stop(self, configuration: int, seed: int, state: State, reason: str) -> None:
        unit = self._running(configuration, seed)
        unit.state, unit.reason = state, reason


def unit_id(configuration: int, seed: int) -> str:
    """Name of a unit's folder and run."""
    return f"{configuration:04d}-seed{seed}"


def _mean_score(configuration: Configuration) -> float:
    summary = configuration.summary()
    return summary.mean if summary else float("-inf")
