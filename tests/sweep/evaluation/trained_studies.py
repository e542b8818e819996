"""Studies whose tiny units are really trained, one after the other in this process, without Ray."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweep.config.study_config import StudyConfig
from sweep.driver.display import NoDisplay
from sweep.driver.preflight import preflight
from sweep.folder.study_folder import StudyFolder
from sweep.study.coordinator import Coordinator
from sweep.study.units import Configuration
from sweep.worker.step_result import Finished, StepResult
from sweep.worker.trainable import UnitTrainable
from tests.studies import tiny_study
from tests.sweep.driver.driving import Slots, drive


class TrainsHere:
    """Trains the units that a study starts."""

    def __init__(self) -> None:
        self.slots = Slots(lambda: 1)

    def run(
        self,
        coordinator: Coordinator,
        unit_config: Callable[[Configuration, int], dict[str, Any]],
        folder: Path,
        on_tick: Callable[[], None],
    ) -> None:
        while (started := coordinator.next_unit()) is not None:
            configuration, seed = started
            unit = UnitTrainable(unit_config(configuration, seed))
            ending = None
            while ending is None:
                result = StepResult.from_tune(unit.train())
                for report in result.reports:
                    coordinator.report(configuration.number, seed, report)
                ending = result.ending
            assert isinstance(ending, Finished), ending
            coordinator.finished(configuration.number, seed, ending.epoch)

    def stop(self) -> None: ...


def trained(studies: Path, name: str, config: StudyConfig | None = None) -> StudyFolder:
    """Run a study to its end: two configurations and two seeds of one epoch, unless a config says otherwise."""
    config = config or StudyConfig.model_validate(tiny_study(1, budget={"configurations": 2}))
    folder = StudyFolder.at(studies, name)
    drive(config.resolved(), folder, TrainsHere())
    folder.write_provenance(dict(preflight(folder.config(), folder, NoDisplay()).provenance))
    assert folder.board().stopped == "over"
    return folder
