"""How a study stands, in one word and in a line."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from data.errors import one_line, shortened
from sweep.folder.study_folder import StudyFolder
from sweep.study.board import Board
from sweep.study.budget import Budget
from sweep.study.events import INTERRUPTED

Word = Literal["not begun", "running", "paused", "halted", "died", "over"]
_SPENT = ("budget spent", "ended with seeds")


@dataclass(frozen=True)
class StudyState:
    """How a study stands: a `word`, and who runs it or why it stopped, empty where that is all there is to say.

    paused: somebody interrupted it, or its budget is spent; halted: something went wrong; died: its driver ended without
    a word. All three can go on.
    """

    word: Word
    why: str = ""

    def __str__(self) -> str:
        return f"{self.word}: {self.why}" if self.why else self.word


def state_of_study(board: Board, holder: str | None) -> StudyState:
    """Say how a study stands, given who holds its lock (`sweep.folder.lock.StudyLock.held_by`)."""
    if holder is not None:
        return StudyState("running", holder)
    if not board.drivers:
        return StudyState("not begun")
    if board.stopped is None:
        return StudyState("died")
    if board.stopped == "over":
        return StudyState("over")
    paused = board.stopped == INTERRUPTED or board.stopped.startswith(_SPENT)
    return StudyState("paused" if paused else "halted", shortened(one_line(board.stopped)))


def state_line(folder: StudyFolder, board: Board, holder: str | None, last_sign: float | None) -> str:
    """Write one line: the study's place, how it stands, since when, and how it goes on."""
    state = state_of_study(board, holder)
    resume = f"go on with: respsweep run --resume {folder.arguments}"
    if state.word == "running":
        return f"{folder.place}: running ({holder})"
    if state.word == "not begun":
        return f"{folder.place}: not begun; {resume}"
    if state.word == "died":
        seen = f", last sign of life {moment(last_sign)}" if last_sign is not None else ""
        return f"{folder.place}: its driver died{seen}; {resume}"
    stopped = f"{folder.place}: {board.stopped}, since {moment(board.drivers[-1].ended)}"
    if state.word == "over":
        return stopped
    raised = larger_budget(folder, board) if state.why.startswith(_SPENT) else None
    return f"{stopped}; {resume}" + (f" --set {raised}" if raised is not None else "")


def larger_budget(folder: StudyFolder, board: Board) -> str | None:
    """Write the setting of a larger budget, with which a study goes on that has ended; None where none would help."""
    config = folder.config()
    budget = Budget(
        config.budget, config.racing, gpus=config.resources.gpu, slots=1, epochs=config.space.epochs
    )
    return budget.raised(board, board.drivers[-1].ended or time.time())


def moment(seconds: float | None) -> str:
    """Write a time in seconds since 1970 as people read it, by this machine's clock."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
