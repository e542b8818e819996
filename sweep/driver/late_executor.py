"""What trains the units of a study that was over: Ray is started only if something is left to train after all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sweep.config.study_config import StudyConfig
from sweep.driver.display import Display
from sweep.driver.executor import Executor, UnitSlots
from sweep.driver.preflight import CheckedStudy
from sweep.report.study_state import larger_budget
from sweep.study.board import Board
from sweep.study.coordinator import Coordinator, UnitConfig


def started_or_late(study: CheckedStudy, start: Callable[[], Executor], display: Display) -> Executor:
    """Start what trains the units; of a study that was over with the same settings only once it has any to train."""
    folder = study.folder
    if not was_over(study.board, folder.config(), study.config):
        return start()
    larger = larger_budget(folder, study.board) if study.config.searches else None
    more = "" if larger is None else f"; for more: respsweep run --resume {folder.arguments} --set {larger}"
    return LateExecutor(
        start, partial(display.say, f"{folder.place} is over, and nothing is left to do{more}")
    )


class LateExecutor:
    """Starts another executor when the study has units to train, and says so when it has none."""

    def __init__(self, start: Callable[[], Executor], say_over: Callable[[], None]) -> None:
        self._start = start
        self._say_over = say_over
        self._started: Executor | None = None

    @property
    def slots(self) -> UnitSlots:
        return _NoSlots() if self._started is None else self._started.slots

    def run(
        self, coordinator: Coordinator, unit_config: UnitConfig, folder: Path, on_tick: Callable[[], None]
    ) -> None:
        """Train what is left; nothing is started where nothing is. Raises what `start` raises."""
        if coordinator.over:
            self._say_over()
            return
        self._started = self._start()
        self._started.run(coordinator, unit_config, folder, on_tick)

    def stop(self) -> None:
        """End the workers, if there are any."""
        if self._started is not None:
            self._started.stop()


class _NoSlots:
    here = 0

    def __call__(self) -> int:
        return 0


def was_over(board: Board, before: StudyConfig, config: StudyConfig) -> bool:
    """Whether a study was over with the settings `before`, and is to run with `config`, which are the same.

    Another place for its runs leaves no more to train than there was.
    """
    return (
        board.stopped == "over" and before.model_copy(update={"tracking_uri": config.tracking_uri}) == config
    )
