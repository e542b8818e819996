"""A study that another process runs, as somebody sees it who watches."""

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.config.study_config import StudyConfig
from sweep.driver.display import ConsoleDisplay, JsonDisplay
from sweep.driver.watch import watch
from sweep.folder.lock import StudyLock
from sweep.folder.study_folder import StudyFolder
from sweep.report.plain_console import PlainConsole
from sweep.study.events import Event, StudyStarted, StudyStopped, UnitPruned
from sweep.study.journal import Journal, JournalError
from tests.studies import tiny_study
from tests.sweep.histories import added, reported, timed, trained

EVENTS: list[Event] = timed(
    StudyStarted((1, 2)),
    *added(0, **{"patch_mix.temperature": 0.1}),
    *trained(0, 1, 0.5, 0.6),
    *added(1, **{"patch_mix.temperature": 0.2}),
    *reported(1, 1, 0.4),
    UnitPruned(1, 1, "pruned at epoch 1: score 0.400, its best 0.400"),
    *trained(0, 2, 0.6, 0.7),
    StudyStopped("over"),
)
BEFORE = 6
"""Events that happened before somebody watches."""


class Run:
    """A driver that writes two events between two looks, and lets go after the last one."""

    def __init__(self, folder: StudyFolder, events: list[Event]) -> None:
        self._journal = Journal(folder.journal)
        self._events = events
        self.waited = 0.0
        """Seconds of a clock by which five pass between two looks."""
        self._held = contextlib.ExitStack()
        self._held.enter_context(StudyLock(folder.path)).sign()
        self._written(BEFORE)

    def between(self, seconds: float) -> None:
        self.waited += 5
        self._written(2)
        if not self._events:
            self._held.close()

    def _written(self, count: int) -> None:
        for event in self._events[:count]:
            self._journal.write(event)
        del self._events[:count]

    def close(self) -> None:
        self._held.close()
        self._journal.close()


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder.at(tmp_path, "one").create(StudyConfig.model_validate(tiny_study(2)))


@pytest.fixture
def run(folder: StudyFolder) -> Iterator[Run]:
    running = Run(folder, list(EVENTS))
    yield running
    running.close()


def console(*, terminal: bool = False) -> PlainConsole:
    return PlainConsole(file=io.StringIO(), width=160, force_terminal=terminal, color_system=None)


def printed(made: PlainConsole) -> str:
    assert isinstance(made.file, io.StringIO)
    return made.file.getvalue()


def now() -> float:
    return EVENTS[-1].at


def test_elsewhere_than_on_a_terminal_there_is_a_line_for_what_ends_from_now_on(
    folder: StudyFolder, run: Run
) -> None:
    made = console()
    ended = watch(folder, ConsoleDisplay(made), wait=run.between, clock=now)
    first, *lines = printed(made).splitlines()
    assert "units done 1, running 0" in first
    assert [line.split("  ")[:2] for line in lines] == [
        ["0001-seed1", "pruned at epoch 1: score 0.400, its best 0.400"],
        ["0000-seed2", "score 70.0 %"],
    ]
    assert ended.startswith(f"{folder.place}: over, since ")


def test_a_terminal_shows_what_trains_now_and_why_things_stopped(folder: StudyFolder, run: Run) -> None:
    made = console(terminal=True)
    watch(folder, ConsoleDisplay(made), wait=run.between, clock=now, timer=lambda: run.waited)
    shown = printed(made)
    assert "trains now" in shown
    assert "1 of 2" in shown
    assert "0001-seed1  pruned at epoch 1: score 0.400" in shown
    assert "best 65.0 ± 7.1 % (no. 0" in shown


def test_an_event_that_cannot_follow_the_others_is_told_of_in_a_line(folder: StudyFolder) -> None:
    # Nobody started the unit.
    running = Run(folder, [*EVENTS[:BEFORE], UnitPruned(0, 2, "low", at=now())])
    with (
        contextlib.closing(running),
        pytest.raises(JournalError, match=r"journal\.jsonl: 0000-seed2 was not"),
    ):
        watch(folder, ConsoleDisplay(console()), wait=running.between, clock=now)


def test_a_low_terminal_shows_how_far_the_study_is_before_all_else(folder: StudyFolder, run: Run) -> None:
    made = PlainConsole(file=io.StringIO(), width=100, height=4, force_terminal=True, color_system=None)
    watch(folder, ConsoleDisplay(made), wait=run.between, clock=now, timer=lambda: run.waited)
    # Of each drawing, and of the last line.
    assert printed(made).count("units done ") > 3
    assert "sensitivity %" not in printed(made)


def test_each_event_from_now_on_is_a_line_of_json(folder: StudyFolder, run: Run) -> None:
    made = console()
    watch(folder, JsonDisplay(made), wait=run.between, clock=now)
    lines = [json.loads(line) for line in printed(made).splitlines()]
    assert [line["event"] for line in lines] == [type(event).__name__ for event in EVENTS[BEFORE:]]
    assert lines[-1] == {"event": "StudyStopped", "reason": "over", "at": EVENTS[-1].at}


def test_of_a_study_that_nobody_runs_its_state_is_told_at_once(folder: StudyFolder) -> None:
    made = console()
    ended = watch(folder, ConsoleDisplay(made), wait=lambda seconds: pytest.fail("waits for nobody"))
    assert "not begun; go on with: respsweep run --resume one" in ended


def test_watching_needs_neither_ray_nor_mlflow() -> None:
    code = "import sys, sweep.driver.watch; print([name for name in ('ray', 'mlflow', 'torch') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
