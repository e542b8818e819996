"""Ray Tune's scheduler of a study: tells the study of every epoch, and stops the units that the study gives up."""

from __future__ import annotations

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from sweep.execution.losses import Loss, loss_of
from sweep.execution.unit_actors import UnitActors
from sweep.execution.unit_news import tell_epochs
from sweep.study.coordinator import Coordinator
from sweep.worker.step_result import StepResult


class EpochPruning(FIFOScheduler):
    """Units run in the order they were handed out; one that the study's pruner gives up is stopped, and all at a halt.

    Tune passes a copy of the result, and skips the scheduler for a trial's last one, so the reports are taken here and
    once more at the end; an epoch that the study has heard before changes nothing.
    """

    def __init__(self, coordinator: Coordinator, actors: UnitActors) -> None:
        super().__init__()
        self._coordinator = coordinator
        self._actors = actors
        self.losses: dict[str, Loss] = {}
        """Why the worker of a trial is gone, by trial id."""

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        self._actors.add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        if not self._take(trial, result) and self._coordinator.halted is None:
            return TrialScheduler.CONTINUE
        self._actors.remove(trial)
        return TrialScheduler.STOP

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        self._take(trial, result)
        self._actors.remove(trial)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        self.losses[trial.trial_id] = self._actors.loss_of(trial) or loss_of(trial)
        self._actors.remove(trial)

    def _take(self, trial: Trial, result: dict[str, Any]) -> bool:
        number, seed = trial.config["configuration"], trial.config["seed"]
        return tell_epochs(self._coordinator, number, seed, StepResult.from_tune(result))

    def __getstate__(self) -> dict[str, Any]:
        return {}
