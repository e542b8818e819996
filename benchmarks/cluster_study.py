"""A large study on simulated workers and a clock of their own, and where the time of its driver goes.

Board, race, budget, Optuna with its file, pruner, journal with its fsync, MLflow and the lines of progress are the real
ones; Ray, the lock's sign of life and the removal of checkpoints are left out.
"""

from __future__ import annotations

import heapq
import itertools
import os
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from engine_cost import report_of
from rich.console import Console

from sweep.config.study_config import StudyConfig
from sweep.driver.display import ConsoleDisplay
from sweep.driver.progress import Progress
from sweep.search.epoch_pruner import EpochPruner
from sweep.search.optuna_export import OptunaExport
from sweep.search.optuna_search import OptunaSearch
from sweep.simulation.made_up_curves import SyntheticCurves, WorldConfig
from sweep.simulation.simulated_study import selected_epoch
from sweep.study.board import Board
from sweep.study.budget import Budget
from sweep.study.coordinator import Coordinator, Rules
from sweep.study.journal import Journal, read_journal
from sweep.study.record import Listener
from sweep.study.score_table import METRICS
from sweep.tracking.tracker import Tracker, database_uri

NAME = "scale"
JOURNAL, OPTUNA_FILE = "journal.jsonl", "optuna.journal"
CALLS = ("report", "end", "start")
PARTS = ("proposals", "scores to Optuna", "pruner", "journal", "progress", "Optuna's file", "MLflow")
"""Of what these calls take; what remains is board, race and budget."""


@dataclass
class Spent:
    """Seconds of a driver: processor time of its thread, and what the journal waits for the disk."""

    counts: Counter[str] = field(default_factory=Counter)
    """How often each of `CALLS` was made."""
    calls: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    parts: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    wall: float = 0.0
    """Of all calls, by the clock on the wall."""


@dataclass(frozen=True)
class Window:
    """A stretch of a study: counts of units and configurations at its end, and the driver's time in it."""

    units: int
    configurations: int
    spent: Spent

    @property
    def seconds(self) -> float:
        """Seconds of the driver in this window."""
        return sum(self.spent.calls.values())

    def milliseconds(self, call: str) -> float:
        """Milliseconds of the driver for a report, an end or a start."""
        return 1e3 * self.spent.calls[call] / max(1, self.spent.counts[call])

    def a_unit(self, seconds: float) -> float:
        """Milliseconds for each unit of this window, given seconds in the window."""
        return 1e3 * seconds / max(1, self.spent.counts["start"])

    def parts(self) -> dict[str, float]:
        """Seconds of each part of the engine, and of the rest."""
        parts = {part: self.spent.parts[part] for part in PARTS}
        return {**parts, "rest": self.seconds - sum(parts.values())}


class Watch:
    """Adds up where a driver's time goes, in total and since the last window."""

    def __init__(self) -> None:
        self.whole, self.window = Spent(), Spent()
        self._waited = 0.0

    @contextmanager
    def on(self, call: str) -> Iterator[None]:
        """Add the time of the block to the time of calls of this kind."""
        wall, busy, self._waited = time.perf_counter(), time.thread_time(), 0.0
        yield
        busy = time.thread_time() - busy + self._waited
        wall = time.perf_counter() - wall
        for spent in (self.whole, self.window):
            spent.calls[call] += busy
            spent.wall += wall

    def count(self, call: str) -> None:
        for spent in (self.whole, self.window):
            spent.counts[call] += 1

    def over(self, part: str, action: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap an action so that its time is noted."""

        def watched(*arguments: Any, **settings: Any) -> Any:
            wall, busy = time.perf_counter(), time.thread_time()
            result = action(*arguments, **settings)
            busy, wall = time.thread_time() - busy, time.perf_counter() - wall
            if part == "journal":
                self._waited += wall - busy
                busy = wall
            for spent in (self.whole, self.window):
                spent.parts[part] += busy
            return result

        return watched


class Driver:
    """A study whose workers are simulated."""

    def __init__(self, config: StudyConfig, workers: int, folder: Path, *, tracked: bool) -> None:
        self._config, self._idle = config, workers
        self._curves = SyntheticCurves(WorldConfig(epoch_seconds_sd=0.3), config.space, 0)
        self._now = 0.0
        self._arrivals: list[tuple[float, int, _Unit]] = []
        self._order = itertools.count()
        self._watch = watch = Watch()
        self._board = Board()
        self._journal = Journal(folder / JOURNAL)
        self._console = Console(file=Path(os.devnull).open("w"))  # noqa: SIM115
        budget = Budget(
            config.budget, config.racing, gpus=config.resources.gpu, slots=workers, epochs=config.space.epochs
        )
        listeners: list[Listener] = [
            watch.over("journal", self._journal.write),
            watch.over(
                "progress",
                Progress(self._board, budget, ConsoleDisplay(self._console), task=config.scored_task),
            ),
        ]
        self._tracking = None
        if tracked:
            artifacts, study_id = folder / "artifacts", uuid.uuid4().hex
            self._tracking = Tracker(database_uri(folder), NAME, artifacts, study_id, [], {})
            listeners.append(watch.over("MLflow", self._tracking))
        export = OptunaExport(folder / OPTUNA_FILE, NAME, config, self._board)
        listeners.append(watch.over("Optuna's file", export))
        search = OptunaSearch(config)
        pruner = EpochPruner(config.pruner, config.space.epochs, NAME)
        for part, of, methods in (
            ("proposals", search, ["propose"]),
            ("scores to Optuna", search, ["learn"]),
            ("pruner", pruner, ["report", "end"]),
        ):
            for method in methods:
                setattr(of, method, watch.over(part, getattr(of, method)))
        rules = Rules(config.racing, config.schedule, config.objectives, gpus=config.resources.gpu)
        self._coordinator = Coordinator(
            self._board, search, pruner, budget, rules, listeners, lambda: self._now
        )

    @property
    def whole(self) -> Spent:
        """Time that all calls took so far."""
        return self._watch.whole

    def run(self, units: int, size: int) -> list[Window]:
        """Play until the last of `units` has started; returns a window for each `size` units."""
        windows: list[Window] = []
        self._coordinator.start(self._config.seeds)
        while self._board.started < units:
            while self._idle and self._start():
                if self._watch.window.counts["start"] == size:
                    spent, self._watch.window = self._watch.window, Spent()
                    windows.append(Window(self._board.started, len(self._board.configurations), spent))
            self._now, _, unit = heapq.heappop(self._arrivals)
            self._hear_of(unit)
        return windows

    def ask_in_vain(self, times: int = 3) -> float:
        """Measure the seconds until the engine says that nothing may start; Ray Tune asks whenever a worker is idle."""
        started = time.thread_time()
        for _ in range(times):
            assert self._coordinator.next_unit() is None
        return (time.thread_time() - started) / times

    def close(self) -> float:
        """End the study; returns the seconds that MLflow took to write what was queued."""
        self._coordinator.stop()
        started = time.perf_counter()
        if self._tracking is not None:
            self._tracking.close(600)
        self._journal.close()
        self._console.file.close()
        return time.perf_counter() - started

    def _start(self) -> bool:
        """Start a unit as Ray Tune does, asked for and then placed; returns False when nothing may start."""
        coordinator = self._coordinator
        with self._watch.on("start"):
            started = coordinator.next_unit(placed=False)
            if started is not None:
                coordinator.place(started[0].number, started[1])
        if started is None:
            return False
        self._watch.count("start")
        configuration, seed = started
        recipe = self._config.space.recipe(configuration.values)
        curve = self._curves.curve(configuration.values, seed, recipe.epochs)
        seconds = self._curves.seconds(configuration.values)
        self._idle -= 1
        self._expect(_Unit(configuration.number, seed, curve, selected_epoch(curve, recipe), seconds))
        return True

    def _expect(self, unit: _Unit) -> None:
        heapq.heappush(self._arrivals, (self._now + unit.seconds, next(self._order), unit))

    def _hear_of(self, unit: _Unit) -> None:
        """Report the next epoch of a unit to the engine."""
        unit.epoch += 1
        report = unit.report()
        with self._watch.on("report"):
            stopped = self._coordinator.report(unit.number, unit.seed, report)
            self._coordinator.keep_to_budget()
        self._watch.count("report")
        if not stopped and unit.epoch < len(unit.curve):
            self._expect(unit)
            return
        self._idle += 1
        if not stopped:
            with self._watch.on("end"):
                self._coordinator.finished(unit.number, unit.seed, unit.selected)
            self._watch.count("end")


@dataclass
class _Unit:
    """A unit on a worker."""

    number: int
    seed: int
    curve: np.ndarray
    selected: int
    seconds: float
    """That an epoch takes."""
    epoch: int = 0

    def report(self) -> dict[str, Any]:
        """A report with as many values as that of a real worker."""
        rates = dict(zip(METRICS, self.curve[self.epoch - 1].tolist(), strict=True))
        confusion = [[200 + row * column for column in range(4)] for row in range(4)]
        further = {"skipped_steps": 0, "seconds": self.seconds, "confusion": confusion}
        return {**report_of(self.epoch, 0.0), **rates, **further}


def resume(config: StudyConfig, workers: int, folder: Path) -> tuple[float, float]:
    """Measure seconds to read the journal into a board, and until a new driver could start a unit, Ray left out."""
    started = time.perf_counter()
    events = list(read_journal(folder / JOURNAL))
    board = Board(events=events)
    replayed = time.perf_counter() - started
    search = OptunaSearch(config)
    pruner = EpochPruner(config.pruner, config.space.epochs, NAME, events)
    budget = Budget(
        config.budget, config.racing, gpus=config.resources.gpu, slots=workers, epochs=config.space.epochs
    )
    Coordinator(board, search, pruner, budget, Rules(config.racing)).start(config.seeds)
    return replayed, time.perf_counter() - started
