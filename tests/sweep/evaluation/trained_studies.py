"""Studies whose tiny units are really trained, one after the other in this process, without Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from data.synthetic import write_breaths
from sweep.config.study_config import StudyConfig
from sweep.driver.display import NoDisplay
from sweep.driver.preflight import preflight
from sweep.folder.study_folder import StudyFolder
from sweep.study.coordinator import Coordinator
from sweep.study.units import Configuration
from sweep.worker import prepared_data
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


@contextmanager
def few_cycles() -> Iterator[None]:
    """Make up half as many breaths for studies as users get: to train on all takes longest here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepared_data, "write_breaths", partial(write_breaths, cycles=(4, 5)))
        yield


def trained(studies: Path, name: str, config: StudyConfig | None = None) -> StudyFolder:
    """Run a study to its end: two configurations and two seeds of one epoch, unless a config says otherwise."""
    config = config or StudyConfig.model_validate(tiny_study(1, budget={"configurations": 2}))
    folder = StudyFolder.at(studies, name)
    drive(config.resolved(), folder, TrainsHere())
    folder.write_provenance(dict(preflight(folder.config(), folder, NoDisplay()).provenance))
    assert folder.board().stopped == "over"
    return folder
