"""A study that another process runs, shown as its own terminal shows it: from the journal alone, without Ray."""

from __future__ import annotations

import time
from collections.abc import Callable

from sweep.driver.display import Display
from sweep.driver.foretelling import Foretelling
from sweep.driver.progress import Progress
from sweep.folder.study_folder import StudyFolder
from sweep.report.study_state import state_line
from sweep.study.board import Board
from sweep.study.budget import Budget
from sweep.study.events import Event
from sweep.study.journal import JournalError
from sweep.study.silence import silences

EVERY_S, EVERY_STORED_S = 2.0, 10.0
"""Seconds from one look at the journal to the next; and of a journal on an object store, which is read whole."""


def watch(
    folder: StudyFolder,
    display: Display,
    *,
    wait: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.time,
    timer: Callable[[], float] = time.monotonic,
) -> str:
    """Show a study while a driver runs it, here or elsewhere; returns a line on how it stands when none does any more.

    A terminal shows a table that is drawn anew; elsewhere there is a line for each unit that ends from now on, with how
    far the study is. Only the journal and the lock are read. `wait` is called between two looks, with seconds; `clock`
    and `timer` are those of `Progress`. Raises JournalError, and StorageError for an object store that does not answer.
    """
    config, lock = folder.config(), folder.lock()
    past = folder.events()
    board = folder.board(past)
    budget = Budget(
        config.budget, config.racing, gpus=config.resources.gpu, slots=1, epochs=config.space.epochs
    )
    progress = Progress(
        board,
        budget,
        display,
        task=config.scored_task,
        silences=lambda: silences(board, config.resources.patience, clock()),
        held_out=config.holds_out,
        label=config.label,
        population=config.scored_population,
        epochs=config.space.epochs,
        foretelling=Foretelling(config, past),
        clock=clock,
        timer=timer,
    )
    read = _Journal(folder, len(past))
    every_s = EVERY_S if folder.uri is None else EVERY_STORED_S
    with progress:
        if display.live() is None:
            display.say(progress.status())
        # The driver writes its last events before it lets go.
        while (held := lock.held_by() is not None) | _hear(read, board, progress):
            progress.tick()
            if held:
                wait(every_s)
    return state_line(folder, board, None, lock.last_sign())


def _hear(read: _Journal, board: Board, progress: Progress) -> bool:
    """Have the board and the display hear what is new; returns whether anything was. Raises JournalError."""
    news = read.news()
    for event in news:
        try:
            board.apply(event)
        except ValueError as error:
            raise JournalError(f"{read.path}: {error}") from error
        progress(event)
    return bool(news)


class _Journal:
    """The events of a study that have come since the last look."""

    def __init__(self, folder: StudyFolder, heard: int) -> None:
        self._folder = folder
        self.path = folder.journal
        self._heard = heard
        self._seen: tuple[int, int] | None = None

    def news(self) -> list[Event]:
        self._folder.pull()
        status = self.path.stat() if self.path.exists() else None
        seen = None if status is None else (status.st_size, status.st_mtime_ns)
        if seen == self._seen:
            return []
        self._seen = seen
        events = self._folder.events()[self._heard :]
        self._heard += len(events)
        return events
