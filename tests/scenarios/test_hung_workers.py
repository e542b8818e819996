"""Workers that hang, stopped by SIGSTOP: the study kills them, and ends with the scores of one in which none did."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sweep.config.study_config import StudyConfig
from sweep.driver.run import run_study
from sweep.execution.ray_session import RaySession
from sweep.folder.study_folder import StudyFolder
from sweep.study.events import UnitLost
from sweep.study.units import State
from sweep.worker.trainable import UnitTrainable
from tests.ray_heads import RayHead
from tests.studies import tiny_study
from tests.sweep.driver.small_study import scores_alone

STUDY = tiny_study(
    3,
    budget={"configurations": 1},
    # Ten seconds. Where a worker needs longer to begin it is killed too, and has twice as long then.
    resources={"patience": 1 / 360, "max_failures": 10},
)


def stopping(stopped: Path) -> type[UnitTrainable]:
    """The unit's trainable, of which one process stops in its set-up, and one in its second epoch.

    Each leaves a file in the folder `stopped`, with its process, configuration and seed.
    """

    def stop(when: str, config: dict[str, Any]) -> None:
        if not (stopped / when).exists():
            told = {"process": os.getpid(), "unit": [config["configuration"], config["seed"]]}
            (stopped / when).write_text(json.dumps(told))
            os.kill(os.getpid(), signal.SIGSTOP)

    class Stopping(UnitTrainable):
        def setup(self, config: dict[str, Any]) -> None:
            stop("set-up", config)
            super().setup(config)

        def step(self) -> dict[str, Any]:
            result = super().step()
            # Saved, and not yet reported.
            if self.config["seed"] == 2 and result["reports"][-1]["epoch"] == 2:
                stop("epoch", self.config)
            return result

    return Stopping


def is_gone(process: int) -> bool:
    """Whether a process has ended, or does within a minute: Ray gives it five seconds before it uses force."""
    deadline = time.monotonic() + 60
    while Path("/proc", str(process)).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not Path("/proc", str(process)).exists()


@pytest.mark.long
def test_a_study_whose_workers_stop_ends_with_the_scores_of_one_whose_workers_did_not(
    kept_ray: RayHead, tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    folder = run_study(
        StudyConfig.model_validate(STUDY),
        StudyFolder.find(tmp_path, "one"),
        start_executor=partial(RaySession.start, trainable=stopping(stopped)),
    )
    units = folder.board().units()
    assert [unit.state for unit in units] == [State.FINISHED] * 2
    for unit in units:
        scores = [report["score"] for report in unit.curve]
        assert scores == scores_alone(folder, unit.seed, tmp_path / f"alone{unit.seed}")

    hung = {path.name: json.loads(path.read_text()) for path in stopped.iterdir()}
    assert hung.keys() == {"set-up", "epoch"}
    assert all(is_gone(each["process"]) for each in hung.values())
    silent = [event for event in folder.events() if isinstance(event, UnitLost) and event.cause == "silence"]
    lost = [(event.configuration, event.seed) for event in silent]
    assert {tuple(each["unit"]) for each in hung.values()} <= set(lost)
    assert all(
        re.match(r"no news for \d:\d\d, while .*\(resources.patience\)$", event.reason) for event in silent
    )
    # The one that was stopped in its set-up as well: Ray had told where its worker was.
    assert all(event.node for event in silent)
