"""A running study: the one place where units are handed out, reports heard, and decisions taken."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from evidence.objectives import objective_of
from sweep.study.blame import accusation, avoided, barred, death_counts, next_waiting
from sweep.study.board import Board
from sweep.study.budget import Budget
from sweep.study.choice import Candidate, next_not_begun
from sweep.study.events import (
    Cause,
    ConfigurationAdded,
    ConfigurationDropped,
    EpochReported,
    NodeAccused,
    StudyStarted,
    StudyStopped,
    UnitFailed,
    UnitFinished,
    UnitLost,
    UnitPlaced,
    UnitPruned,
    UnitStarted,
)
from sweep.study.failures import FailuresInARow
from sweep.study.nodes import UnitKey
from sweep.study.pruning import Pruner, why_pruned
from sweep.study.racing import ContendersConfig, Race, RacingConfig, Verdict, verdict
from sweep.study.record import Listener, Record
from sweep.study.silence import Attention, Patience, Silence, hung, silences
from sweep.study.units import Configuration, Fate, Span, State

ANYWHERE: Mapping[str, int] = {}
"""Free places by node where nothing is known of nodes."""
UnitConfig = Callable[[Configuration, int], dict[str, Any]]
"""Gives what a worker is told of a unit, by its configuration and seed."""


class Search(Protocol):
    """Where configurations come from (`sweep.search.optuna_search.OptunaSearch`)."""

    @property
    def skipped(self) -> str | None:
        """Say how many points are not proposed because their values contradict each other, and why; None if none."""
        ...

    def propose(self) -> ConfigurationAdded | None: ...
    def learn(self, configuration: Configuration) -> None: ...
    def restore(self, board: Board) -> None: ...


@dataclass(frozen=True)
class Rules:
    """How a study decides: parts of `sweep.config.study_config.StudyConfig`."""

    racing: RacingConfig = field(default_factory=ContendersConfig)
    schedule: Literal["breadth", "sequential"] = "breadth"
    objectives: tuple[str, ...] = ("score",)
    max_failures: int = 2
    gpus: float = 0.0
    """GPUs held by one unit."""
    patience: Patience = "auto"
    """After how long without news the worker of a unit is killed."""


class Coordinator:
    """The board, and the rules by which it grows.

    A configuration starts with its first seed; the pruner watches that seed's validation curve, and the search learns
    its score when it ends. Further seeds go to those that the race holds for contenders. Every change is an event,
    stamped with `clock` and heard by all `listeners` in order, after the board. It runs in the driver alone, in one
    thread at a time; only `halt` may be called from another.
    """

    def __init__(
        self,
        board: Board,
        search: Search,
        pruner: Pruner,
        budget: Budget,
        rules: Rules,
        listeners: Sequence[Listener] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.board = board
        self.halted: str | None = None
        """Why nothing may start or go on any more; None while units may."""
        self.interrupted = False
        """Whether the study was halted by something else than its budget."""
        self.at_once = False
        """Whether a study that is halted is to end without waiting for units to save themselves."""
        self._search = search
        self._pruner = pruner
        self._budget = budget
        self._rules = rules
        self._clock = clock
        self._record = Record(board, listeners, clock)
        self._exhausted = False
        self._failures = FailuresInARow()
        self._attention = Attention()
        self._told_again: dict[UnitKey, float] = {}
        """When units last told of an epoch that had been heard before."""
        self._verdict: tuple[int, Verdict] | None = None

    def start(
        self, seeds: Sequence[int], changes: Sequence[str] = (), last_sign: float | None = None
    ) -> None:
        """Take the study up, for the first time or again.

        `last_sign` is when a driver that died was last alive; the units that it ran wait to go on.
        """
        board = self.board
        last = board.drivers[-1] if board.drivers else None
        if last is not None and (last.ended is None or board.running):
            died = last.ended or last_sign or max(attempt.heard for attempt in [last, *self._attempts()])
            self._record_stop("its driver died", died, already=last.ended is not None)
        self._record(
            StudyStarted(tuple(seeds), tuple(changes), self._rules.gpus, objective_of(self._rules.objectives))
        )
        for number, seed in list(board.waiting):
            if board.fate(number) is not Fate.OPEN:
                self._give_up(number, seed, "given up, as its configuration was")
        self._pruner.restore(board)
        self._search.restore(board)
        self._drop_hopeless()

    def next_unit(
        self, *, placed: bool = True, free: Mapping[str, int] = ANYWHERE
    ) -> tuple[Configuration, int] | None:
        """Start the next unit; returns its configuration and seed, or None when nothing may start now (see `over`).

        A unit that is not `placed` waits for its device until `place` is called. `free`: places that are free on each
        node that is here, also where there is none; empty when that is not known.
        """
        candidate = self._candidate(free)
        if candidate == "new":
            added = self._search.propose()
            if added is None:
                self._exhausted = True
                return self.next_unit(placed=placed, free=free)
            self._record(added)
            candidate = added.configuration, self.board.seeds[0]
        if candidate is None:
            return None
        number, seed = candidate
        self._record(UnitStarted(number, seed, placed))
        return self.board.configurations[number], seed

    def place(self, number: int, seed: int, node: str = "") -> None:
        """Note that a unit has come to its device, on a node whose name is empty where it is not known.

        Changes nothing for a unit that holds a device of this node, or of whatever node, already.
        """
        unit = self.board.unit(number, seed)
        if unit.state is State.RUNNING and not (unit.placed and node in ("", unit.node)):
            self._record(UnitPlaced(number, seed, node))

    def barred(self, here: Collection[str]) -> frozenset[str]:
        """Find the nodes that get no unit now, given the names of those that are here."""
        return barred(self.board, self._clock(), here)

    def avoided(self, number: int, seed: int, here: Collection[str]) -> frozenset[str]:
        """Find the nodes on which a unit is not to run now, given the names of those that are here."""
        return avoided(self.board, (number, seed), self._clock(), here)

    def silences(self) -> list[Silence]:
        """Find the units of which nothing was heard for notably longer than their epochs take."""
        now = self._clock()
        return silences(self.board, self._rules.patience, now, self._attention.away, self._told_again)

    def hung(self) -> Silence | None:
        """Find the unit whose worker is to be killed now, as nothing was heard of it for too long; None when none is.

        To be called several times a second when reports are heard: while it is not, no unit is held to be silent. The
        same unit is found until it is told to be lost, with the cause `silence`.
        """
        now = self._clock()
        self._attention.listen(now)
        self._attention.forget(min((attempt.heard for attempt in self._attempts()), default=now))
        return hung(self.board, self._rules.patience, now, self._attention.away, self._told_again)

    @property
    def over(self) -> bool:
        """Whether nothing runs and nothing is left to start."""
        return not self.board.running and self._candidate(ANYWHERE) is None

    def report(self, number: int, seed: int, report: Mapping[str, Any]) -> bool:
        """Take note of an epoch; True when the unit is to stop.

        An epoch heard before changes nothing, but that its unit was heard of.

        A unit that skips an epoch, or reports a number that is not finite, fails.
        """
        unit = self.board.unit(number, seed)
        if unit.state is not State.RUNNING:
            return True
        if (fate := self.board.fate(number)) in (Fate.FAILED, Fate.PRUNED):
            what = "failed" if fate is Fate.FAILED else "was pruned"
            self._give_up(number, seed, f"given up, as another seed {what}")
            self._ended(number)
            return True
        if (refusal := unit.refusal(report, self.board.metric)) is not None:
            self.failed(number, seed, refusal)
            return True
        if report["epoch"] <= len(unit.curve):
            self._told_again[number, seed] = self._clock()
        if report["epoch"] == len(unit.curve) + 1 or "note" in report:
            self._failures.note_epoch((number, seed))
            self._record(EpochReported(number, seed, report))
        if report["epoch"] < len(unit.curve):
            return False
        # The last epoch is judged again when it is heard again: the driver may have died before it was.
        if seed != self.board.seeds[0]:
            return False
        reason = why_pruned(self.board, self._pruner, self._rules.objectives, unit)
        if reason is None:
            return False
        self._record(UnitPruned(number, seed, reason))
        self._give_up_waiting(number, f"given up, as seed {seed} was pruned")
        self._failures.note_end()
        self._ended(number)
        return True

    def finished(self, number: int, seed: int, epoch: int) -> None:
        """Note that a unit trained to its end, and that `epoch` stands for it; without such an epoch the unit fails."""
        reported = len(self.board.unit(number, seed).curve)
        if not 1 <= epoch <= reported:
            self.failed(number, seed, f"ended, and chose epoch {epoch} of the {reported} that it reported")
            return
        self._record(UnitFinished(number, seed, epoch))
        self._failures.note_end()
        self._ended(number)
        self._drop_hopeless()

    def lost(
        self,
        number: int,
        seed: int,
        reason: str,
        *,
        cause: Cause = "worker",
        out_of_memory: bool = False,
        node: str = "",
    ) -> None:
        """Note that a unit lost its worker. The unit goes on from its checkpoint, unless it did so often enough.

        Whether it did, or its node is to blame, is decided by `sweep.study.blame`. `node`: where the worker was, if
        that is known; otherwise where `place` put the unit. Deaths of whatever unit halt the study when there is nothing
        else for a while.
        """
        unit = self.board.unit(number, seed)
        node, lived = node or unit.node, unit.held(self._clock())
        counts = death_counts(self.board, unit, cause, node, self._clock())
        given_up = f"lost its worker after its configuration was given up: {reason}"
        if (fate := self.board.fate(number)) is Fate.PRUNED:
            self._give_up(number, seed, given_up)
            self._ended(number)
        elif out_of_memory and unit.out_of_memory:
            self.failed(number, seed, f"out of memory, with accumulated gradients too: {reason}")
        elif fate is not Fate.OPEN:
            self.failed(number, seed, given_up)
        elif out_of_memory:
            self._record(UnitLost(number, seed, reason, counts=False, out_of_memory=True, node=node))
        elif counts and unit.failures >= self._rules.max_failures:
            self.failed(
                number, seed, f"lost its worker more often than resources.max_failures allows: {reason}"
            )
        else:
            self._record(UnitLost(number, seed, reason, counts=counts, cause=cause, node=node))
            if cause in ("worker", "machine", "silence"):
                self._blame_node(node)
                self._halt_if(self._failures.note_death(self.board, lived, reason, self._clock()))

    def failed(self, number: int, seed: int, reason: str) -> None:
        """Note that a unit cannot be finished; no further seed of its configuration starts."""
        self._record(UnitFailed(number, seed, reason))
        self._give_up_waiting(number, f"given up, as seed {seed} failed")
        self._ended(number)
        self._halt_if(self._failures.note_failure((number, seed), reason))

    @contextlib.contextmanager
    def halting_on_full_disk(self) -> Iterator[None]:
        """Let a full disk halt the study while the block runs; callers would take it for a fault of the unit."""
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self.halt(f"{error.strerror}: {error.filename or 'the study folder'}", at_once=True)

    def halt(self, reason: str, *, at_once: bool = False) -> None:
        """Let nothing start any more, and units save themselves where they are, or `at_once` go no further.

        The first reason stands.
        """
        self.at_once = self.at_once or at_once
        if self.halted is None:
            self.halted, self.interrupted = reason, True

    def keep_to_budget(self) -> None:
        """Halt the study when a limit of the budget is reached. To be called often."""
        if self.halted is None:
            self.halted = self._budget.spent(self.board, self._clock())

    def stop(self) -> str:
        """Let go of the study, over or not; returns why. Units that run wait to be taken up again.

        Nothing is recorded any more (`sweep.study.record.Record.close`).
        """
        reason = self.halted or self._conclude()
        try:
            self._record_stop(reason, self._clock())
        finally:
            self._record.close()
        return reason

    def _candidate(self, free: Mapping[str, int]) -> Candidate:
        """Choose the unit to start next; `new` means the first unit of a new configuration."""
        board, now = self.board, self._clock()
        if self.halted is not None or self._budget.spent(board, now):
            return None
        # First what waits; but a unit that died waits for another node, and meanwhile others start where it died.
        return (
            next_waiting(board, now, free, last=False)
            or self._not_begun(now)
            or next_waiting(board, now, free, last=True)
        )

    def _not_begun(self, now: float) -> Candidate:
        return next_not_begun(
            self.board,
            self._race(),
            self._budget.plan(self.board, now),
            proposes=not self._exhausted and self._budget.proposes(self.board),
            breadth=self._rules.schedule == "breadth",
        )

    def _race(self) -> Verdict:
        """Ask the rule of the race about the board as it is."""
        if self._verdict is None or self._verdict[0] != self.board.decisions:
            scores = self.board.scores
            objectives = None
            if len(self._rules.objectives) > 1:
                objectives = scores.metrics(self._rules.objectives)
            race = Race(scores.ranked, scores.started, scores.open, objectives)
            self._verdict = self.board.decisions, verdict(self._rules.racing, race)
        return self._verdict[1]

    def _blame_node(self, node: str) -> None:
        """Accuse the node on which a unit has just died, if it is to blame."""
        reason = accusation(self.board, node, self._clock()) if node else None
        if reason is not None:
            self._record(NodeAccused(node, reason))

    def _halt_if(self, reason: str | None) -> None:
        if reason is not None:
            self.halt(reason)

    def _drop_hopeless(self) -> None:
        dropped = {
            row: reason
            for row, reason in self._race().dropped.items()
            if not self.board.configurations[row].units_in(State.RUNNING, State.WAITING)
        }
        self._drop(dropped)

    def _drop(self, reasons: Mapping[int, str]) -> None:
        for number, reason in reasons.items():
            self._record(ConfigurationDropped(number, reason))

    def _conclude(self) -> str:
        race = self._race()
        if race.order or race.finalists or not self.over:
            return "ended with seeds to come"
        self._drop(race.behind)
        return "over"

    def _record_stop(self, reason: str, at: float, *, already: bool = False) -> None:
        """Record that a driver stopped, unless that was recorded `already`, and that the units it ran wait to go on."""
        if not already:
            self._record(StudyStopped(reason), at)
        for number, seed in list(self.board.running):
            self._record(UnitLost(number, seed, reason, counts=False, cause="driver"), at)

    def _give_up(self, number: int, seed: int, reason: str) -> None:
        """Record that a unit ends as its configuration did, pruned or failed."""
        kind = UnitPruned if self.board.fate(number) is Fate.PRUNED else UnitFailed
        self._record(kind(number, seed, reason))

    def _give_up_waiting(self, number: int, reason: str) -> None:
        for unit in self.board.configurations[number].units_in(State.WAITING):
            self._give_up(number, unit.seed, reason)

    def _attempts(self) -> list[Span]:
        return [attempt for unit in self.board.running.values() for attempt in unit.attempts]

    def _ended(self, number: int) -> None:
        """Tell pruner and search that units of a configuration have ended, of which the first may be one."""
        configuration = self.board.configurations[number]
        self._pruner.end(configuration)
        self._search.learn(configuration)
