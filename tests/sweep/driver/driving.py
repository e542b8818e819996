"""Runs a study by a driver whose parts a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sweep.config.study_config import StudyConfig
from sweep.driver.display import Display, NoDisplay
from sweep.driver.driver import BackgroundListener, Driver, Executor
from sweep.driver.preflight import preflight
from sweep.driver.unit_preparation import UnitPreparation
from sweep.folder.study_folder import StudyFolder
from sweep.study.coordinator import UnitConfig
from sweep.study.events import Event
from sweep.study.journal import Journal


class NoTracker:
    """Shows events nowhere, and notes how long it was given to close."""

    def __init__(self, close: Callable[[], None] = lambda: None) -> None:
        self.waited: list[float] = []
        self._close = close

    def __call__(self, event: Event) -> None: ...

    def close(self, timeout_s: float) -> None:
        self.waited.append(timeout_s)
        self._close()


def drive(
    config: StudyConfig,
    folder: StudyFolder,
    executor: Executor,
    *,
    tracker: BackgroundListener | None = None,
    journal: Journal | None = None,
    unit_config: UnitConfig | None = None,
    display: Display | None = None,
    listeners: Sequence[Callable[[Event], None]] = (),
    **times: Any,
) -> None:
    """Run a study, new or old, on this machine."""
    if not folder.exists:
        folder.create(config)
    display = display or NoDisplay()
    with folder.lock() as lock:
        study = preflight(config, folder, display)
        Driver(
            study,
            executor,
            tracker or NoTracker(),
            journal or Journal(folder.journal),
            lock,
            unit_config or UnitPreparation(config, study.preparation, folder.checkpoints, None),
            display,
            f"respsweep run --resume {folder.arguments}",
            listeners=listeners,
            **times,
        ).run()
