"""Has failed units of a study tried again, by the next driver."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from data.errors import UserError
from sweep.driver.display import Display, NoDisplay
from sweep.driver.run import mirrored
from sweep.folder.study_folder import StudyFolder
from sweep.study.board import Board
from sweep.study.events import UnitForgiven
from sweep.study.journal import Journal
from sweep.study.units import State, Unit


class RetryError(UserError):
    """Nothing of a study has failed that could be tried again."""


def retry(
    folder: StudyFolder,
    configuration: int | None = None,
    display: Display | None = None,
    *,
    clock: Callable[[], float] = time.time,
) -> list[str]:
    """Record that failed units are to be tried again, all or those of one configuration; returns their names.

    The next driver (`respsweep run --resume`) takes them up first, as units that never failed. Raises RetryError when
    no such unit has failed, and LockedError while a driver holds the study.
    """
    with folder.lock() as lock, mirrored(folder, lock, display or NoDisplay()) as mirror:
        board = folder.board()
        failed = _failed(folder, board, configuration)
        with contextlib.closing(Journal(folder.journal)) as journal:
            for unit in failed:
                journal.write(UnitForgiven(unit.configuration, unit.seed, at=clock()))
        if mirror is not None:
            mirror.start()
    return [unit.id for unit in failed]


def _failed(folder: StudyFolder, board: Board, configuration: int | None) -> list[Unit]:
    failed = [unit for unit in board.units() if unit.state is State.FAILED]
    if not failed:
        raise RetryError(f"{folder.place}: no unit has failed, so there is nothing to try again")
    chosen = [unit for unit in failed if configuration in (None, unit.configuration)]
    if not chosen:
        numbers = ", ".join(str(number) for number in sorted({unit.configuration for unit in failed}))
        raise RetryError(
            f"{folder.place}: no unit of configuration {configuration} has failed; units have failed of: {numbers}"
        )
    return chosen
