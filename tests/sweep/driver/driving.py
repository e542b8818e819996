"""Runs a study by a driver whose parts a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sweep.config.study_config import StudyConfig
from sweep.driver.display import Display, NoDisplay
from sweep.driver.driver import BackgroundListener, Driver
from sweep.driver.executor import Executor
from sweep.driver.preflight import preflight
from sweep.driver.unit_preparation import UnitPreparation
from sweep.evaluation.epoch_readings import open_test_part
from sweep.folder.study_folder import StudyFolder
from sweep.study.coordinator import Coordinator, UnitConfig
from sweep.study.events import Event
from sweep.study.journal import Journal
from sweep.study.units import Configuration
from sweep.tracking.messages import Files, Models


class NoTracker:
    """Shows events nowhere, and notes how long it was given to close."""

    def __init__(self, close: Callable[[], None] = lambda: None) -> None:
        self.waited: list[float] = []
        self.models: list[Models] = []
        self.files: list[Files] = []
        self._close = close

    def __call__(self, event: Event) -> None: ...

    def keep_models(self, models: Models) -> None:
        self.models.append(models)

    def keep_files(self, files: Files) -> None:
        self.files.append(files)

    def close(self, timeout_s: float) -> None:
        self.waited.append(timeout_s)
        self._close()


class Slots:
    def __init__(self, here: Callable[[], int]) -> None:
        self._here = here

    @property
    def here(self) -> int:
        return self._here()

    def __call__(self) -> int:
        return 1


class ScoresOnly:
    """Runs one unit after the other: each saves a checkpoint, reports its epochs, and ends."""

    def __init__(
        self, on_epoch: Callable[[], None] = lambda: None, here: Callable[[], int] = lambda: 1
    ) -> None:
        self.slots = Slots(here)
        self.units: list[tuple[int, int]] = []
        self.stopped = 0
        self.on_stop: Callable[[], None] = lambda: None
        self._on_epoch = on_epoch

    def run(
        self,
        coordinator: Coordinator,
        unit_config: Callable[[Configuration, int], dict[str, Any]],
        folder: Path,
        on_tick: Callable[[], None],
    ) -> None:
        (folder / "tune").mkdir()
        while (started := coordinator.next_unit()) is not None:
            configuration, seed = started
            told = unit_config(configuration, seed)
            self.units.append((configuration.number, seed))
            (Path(told["folder"]) / f"{configuration.number:04}-seed{seed}").mkdir(
                parents=True, exist_ok=True
            )
            for epoch in (1, 2):
                score = min(1.0, 0.5 + 0.1 * configuration.number + 0.01 * seed)
                rates = dict.fromkeys(("score", "sensitivity", "specificity", "any_abnormal_score"), score)
                coordinator.report(configuration.number, seed, {"epoch": epoch, **rates})
                self._on_epoch()
                on_tick()
                if coordinator.halted is not None:
                    return
            coordinator.finished(configuration.number, seed, 2)

    def stop(self) -> None:
        self.stopped += 1
        self.on_stop()


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
        folder.write_provenance(dict(study.provenance))
        open_test_part(folder, config, study.preparation, study.provenance)
        Driver(
            study,
            executor,
            tracker or NoTracker(),
            journal or Journal(folder.journal),
            lock,
            unit_config
            or UnitPreparation(
                config,
                study.preparation,
                folder.checkpoints,
                folder.predictions,
                None,
                folder.leak if config.leak else None,
            ),
            display,
            f"respsweep run --resume {folder.arguments}",
            listeners=listeners,
            **times,
        ).run()
