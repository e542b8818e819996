"""The one process that holds a study: runs its units to the end, or to a halt, and lets go in good order."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from data.bands import ranking_hash
from data.errors import UserError
from data.quantities import counted
from sweep.driver.best_models import best_models
from sweep.driver.display import Display
from sweep.driver.executor import Executor
from sweep.driver.foretelling import Foretelling
from sweep.driver.preflight import CheckedStudy
from sweep.driver.progress import Progress
from sweep.driver.signals import Halting
from sweep.driver.steady_clock import SteadyClock
from sweep.driver.unit_removal import UnitRemoval
from sweep.folder.lock import StudyLock
from sweep.folder.mirror import Mirror
from sweep.report.board_in_words import failures
from sweep.report.leaderboard import leaderboard
from sweep.report.run_tables import run_tables
from sweep.report.special_points import special_points
from sweep.study.budget import Budget
from sweep.study.coordinator import Coordinator, Rules, UnitConfig
from sweep.study.events import INTERRUPTED, Event
from sweep.study.journal import Journal
from sweep.study.record import Listener
from sweep.tracking.messages import Files, Models

log = logging.getLogger(__name__)


class InterruptedStudyError(UserError):
    """The study was stopped before it was over, and can be taken up again.

    `asked`: by Ctrl-C or a signal, which is no error but a pause. `at_once`: nothing more is waited for.
    """

    several_lines = True
    exit_status = os.EX_TEMPFAIL
    """What schedulers and scripts read as: the same command again may succeed."""

    def __init__(self, message: str, *, asked: bool = False, at_once: bool = False) -> None:
        super().__init__(message)
        self.at_once = at_once
        if asked:
            self.opening = "paused"


class BackgroundListener(Protocol):
    """Hears all events and shows them elsewhere in its own time (`sweep.tracking.tracker.Tracker`)."""

    def __call__(self, event: Event) -> None: ...

    def keep_models(self, models: Models) -> None:
        """Keep the networks of some units there as models, as part of what is left."""
        ...

    def keep_files(self, files: Files) -> None:
        """Keep files of the study there, as part of what is left."""
        ...

    def close(self, timeout_s: float) -> None:
        """Show what is left. Raises a UserError when something could not be shown within about `timeout_s`."""
        ...


class Driver:
    """Runs a study that passed its preflight, once."""

    def __init__(
        self,
        study: CheckedStudy,
        executor: Executor,
        tracker: BackgroundListener,
        journal: Journal,
        lock: StudyLock,
        unit_config: UnitConfig,
        display: Display,
        resume_command: str,
        *,
        results: Callable[[], Sequence[Path]] = tuple,
        answer: Callable[[], str] = str,
        mirror: Mirror | None = None,
        listeners: Sequence[Listener] = (),
        clock: Callable[[], float] | None = None,
        close_s: float = 60.0,
        close_soon_s: float = 5.0,
    ) -> None:
        """Put the study's parts together; nothing happens before `run`.

        `lock` is held by the caller. `results`: writes what a study that is over is to leave, and returns the files,
        which the tracker keeps with the best configuration; `answer`: says in Markdown what the study found, once these
        are written. `listeners` hear each event after journal, tracker and
        display. `mirror`: sends the study to its object store. `clock`: stamps events and signs of life, a
        `SteadyClock` unless given. `close_s`: seconds in which the tracker may send what is left when the study is
        over; `close_soon_s` when it was halted. After a second Ctrl-C nothing is waited for.
        """
        config, board = study.config, study.board
        resources = config.resources
        self._study = study
        self._executor = executor
        self._tracker = tracker
        self._journal = journal
        self._lock = lock
        self._unit_config = unit_config
        self._display = display
        self._resume_command = resume_command
        self._results = results
        self._answer = answer
        self._mirror = mirror
        self._clock = clock = clock or SteadyClock()
        self._close_s = close_s
        self._close_soon_s = close_soon_s
        self._waits_for_nodes = False
        self._told_skipped: str | None = None
        self._removal = UnitRemoval(board, study.folder.units, mirror)
        self._budget = Budget(
            config.budget,
            config.racing,
            gpus=resources.gpu,
            slots=max(1, executor.slots.here),
            epochs=config.space.epochs,
        )
        self._progress = Progress(
            board,
            self._budget,
            display,
            task=study.config.scored_task,
            silences=lambda: self._coordinator.silences(),
            held_out=config.holds_out,
            label=config.label,
            population=config.scored_population,
            epochs=config.space.epochs,
            foretelling=Foretelling(config, study.past),
            clock=clock,
        )
        rules = Rules(
            config.racing,
            config.schedule,
            config.objectives,
            resources.max_failures,
            resources.gpu,
            resources.patience,
        )
        self._coordinator = Coordinator(
            board,
            study.search,
            study.pruner,
            self._budget,
            rules,
            [journal.write, tracker, self._progress, self._removal, *listeners],
            clock,
        )
        self._halting = Halting(self._coordinator, display)

    def run(self) -> None:
        """Run units until the study is over, and say how it ended.

        Raises InterruptedStudyError when the study was halted by something else than its budget, or a signal came while
        it was let go of, and whatever goes wrong through a fault of respsweep; the study can be taken up again after any
        of these.
        """
        coordinator, folder, halting = self._coordinator, self._study.folder, self._halting
        failure: Exception | None = None
        reason = ""
        self._say_what_begins()
        with halting.on_signals():
            try:
                self._run_units()
            except KeyboardInterrupt:
                halting.end()
            except Exception as error:
                # What halted the study, a full disk say, comes back from the depths of Ray Tune in its own words.
                if coordinator.halted is None:
                    coordinator.halt(f"{type(error).__name__} in the driver")
                    failure = error
                    raise
                log.debug("after the study was halted: %s", error, exc_info=True)
            finally:
                try:
                    reason = self._close()
                except KeyboardInterrupt:
                    halting.end()
                except Exception as error:
                    # What went wrong first is what comes out.
                    if failure is None:
                        raise
                    log.debug("after the study was halted: %s", error, exc_info=True)
        self._say_what_was_skipped()
        if coordinator.interrupted or halting.heard:
            why = coordinator.halted if coordinator.interrupted else INTERRUPTED
            raise InterruptedStudyError(
                f"{folder.place}: {why} after "
                f"{counted(len(coordinator.board.ranking()), 'complete configuration')}; go on with: "
                f"{self._resume_command}",
                asked=why == INTERRUPTED,
                at_once=halting.at_once,
            )
        self._say_what_came_out(reason or coordinator.halted or "")

    def _run_units(self) -> None:
        with self._progress:
            self._begin()
            try:
                self._executor.run(self._coordinator, self._unit_config, self._study.folder.path, self._tick)
            except UserError as error:
                # Features or weights that one configuration asks for cannot be had; once they can, it goes on.
                self._coordinator.halt(str(error))

    def _begin(self) -> None:
        study = self._study
        self._coordinator.start(study.config.seeds, study.changes, self._lock.last_sign())
        # Only now: if this start fails, the next one must find what the last driver left.
        self._lock.sign()
        self._lock.beat(self._clock())
        study.folder.write_config(study.config)
        if self._mirror is not None:
            self._mirror.start()
        self._removal.remove_leftovers()

    def _tick(self) -> None:
        here = self._executor.slots.here
        if here == 0 and not self._waits_for_nodes:
            self._display.say("no node is there that can take a unit; waiting for one")
        self._waits_for_nodes = here == 0
        self._budget.slots = max(1, here)
        self._coordinator.keep_to_budget()
        self._lock.beat(self._clock())
        if (holder := self._lock.taken_by) is not None and self._coordinator.halted is None:
            self._coordinator.halt(f"taken over by {holder}", at_once=True)
        self._progress.tick()

    def _close(self) -> str:
        """Stop the study and close what belongs to it; returns why it stopped."""
        reason = self._coordinator.halted or ""
        # From the last line to the first, each whatever becomes of those before.
        with contextlib.ExitStack() as ending:
            ending.callback(self._close_tracker)
            ending.callback(self._close_journal)
            ending.callback(shutil.rmtree, self._study.folder.path / "tune", ignore_errors=True)
            ending.callback(self._removal.remove_again)
            ending.callback(self._halting.now_closing)
            ending.callback(self._executor.stop)
            with contextlib.suppress(OSError):
                reason = self._coordinator.stop()
        return reason

    def _close_journal(self) -> None:
        with contextlib.suppress(OSError):
            self._journal.close()

    def _close_tracker(self) -> None:
        try:
            study = self._study
            if not self._coordinator.interrupted:
                models = best_models(study.folder, study.config, study.board)
                if models is not None:
                    self._tracker.keep_models(models)
                files, best = self._results(), study.board.best()
                if files and best is not None:
                    paths = tuple(str(path.absolute()) for path in files)
                    tables = run_tables(best, study.config.scored_task.labels)
                    self._tracker.keep_files(
                        Files(f"configuration {best.number}", paths, self._answer(), tables)
                    )
            self._tracker.close(self._closing_s())
        except UserError as error:
            self._display.warn(str(error))

    def _closing_s(self) -> float:
        if self._halting.at_once:
            return 0.0
        return min(self._close_s, self._close_soon_s) if self._coordinator.interrupted else self._close_s

    def _say_what_begins(self) -> None:
        slots = self._executor.slots
        limits = ", ".join(str(use) for use in self._budget.uses(self._study.board, 0))
        ends = "until it stops improving" if self._study.config.budget.until else "every point of the search"
        more = f", up to {slots()} as nodes come" if slots() > slots.here else ""
        self._display.say(
            f"study {self._study.folder.place}: {limits or ends}"
            + (f"; {slots.here} units at a time{more}" if slots.here or more else "")
            + (f"\n  {label}" if (label := self._study.config.label) else "")
            + "".join(f"\n  changed: {line}" for line in self._study.changes)
            + self._ranking_of_before()
        )
        self._say_what_was_skipped()

    def _ranking_of_before(self) -> str:
        """Say of a study that goes on that its bands are those of the ranking that it began with."""
        sha256 = ranking_hash(self._study.config.recipe) if self._study.past else None
        if sha256 is None:
            return ""
        return (
            f"\n  bands: by the ranking that the study began with (SHA-256 of its file {sha256[:12]}), whatever that "
            "file holds by now"
        )

    def _say_what_was_skipped(self) -> None:
        """Tell of points that make no recipe: at the beginning of those in a list, at the end of those drawn."""
        skipped = self._study.search.skipped
        if skipped is not None and skipped != self._told_skipped:
            self._display.say(skipped)
            self._told_skipped = skipped

    def _say_what_came_out(self, reason: str) -> None:
        board = self._study.board
        config = self._study.config
        table = leaderboard(
            board,
            config.scored_task,
            rows=20,
            objectives=config.objectives,
            held_out=config.holds_out,
            label=config.label,
            population=config.scored_population,
            marks=special_points(config, board),
        )
        self._display.show(table, *failures(board))
        now = self._clock()
        used = ", ".join(str(use) for use in self._budget.uses(board, now))
        raised = self._budget.raised(board, now) if config.searches else None
        more = "" if raised is None else f"; for more, raise the limit: {self._resume_command} --set {raised}"
        # Without a limit, proposals end by themselves, or because of `until`.
        ended = "every point of the search" if self._budget.proposes(board) else "no longer improving"
        self._display.say(f"{reason} ({used or ended}){more}")
