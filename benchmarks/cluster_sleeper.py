"""A unit that sleeps where others train. Its worker imports next to nothing else, so that many fit on one machine."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ray import tune

from sweep.worker.step_result import Finished, StepResult


class Sleeper(tune.Trainable):
    """A unit that sleeps for `seconds` in `epochs` parts; in a `meeting` it waits until all `processes` are there.

    Every report holds `stay`: this process, when the unit began and when the report was made, in seconds since 1970.
    """

    def setup(self, config: dict[str, Any]) -> None:
        self._open(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._open(new_config)
        return True

    def step(self) -> dict[str, Any]:
        own, self._epoch = self._unit, self._epoch + 1
        if own["meeting"]:
            _meet(Path(own["meeting"]), own["configuration"], own["processes"])
        time.sleep(own["seconds"] / own["epochs"])
        score = 0.5 + 0.01 * self._epoch
        rates = dict.fromkeys(("score", "sensitivity", "specificity", "any_abnormal_score"), score)
        report = {"epoch": self._epoch, **rates, "seconds": 1.0}
        report["stay"] = [os.getpid(), self._began, time.time()]
        ending = Finished(self._epoch) if self._epoch == own["epochs"] else None
        return StepResult((report,), ending).as_tune()

    def _open(self, config: dict[str, Any]) -> None:
        self._unit, self._epoch, self._began = config, 0, time.time()


def _meet(folder: Path, name: int, everyone: int) -> None:
    """Wait until so many processes have come to the meeting."""
    (folder / str(name)).touch()
    while len(list(folder.iterdir())) < everyone:
        time.sleep(0.05)
