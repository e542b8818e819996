"""One unit as a Ray Tune trainable: a step is an epoch or some, and its process is used again for the next unit."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from ray import tune

from data.batches import Examples
from data.task import task_named
from evidence.predictions import rounded
from model.out_of_memory import is_out_of_memory
from model.training.checkpoint import CheckpointError
from model.training.epoch_metrics import EpochMetrics, select_epoch
from model.training.recipe import Recipe
from model.training.timed_saves import TimedSaves
from model.training.training import Training
from sweep.storage.cache_folder import cache_folder
from sweep.study.epoch_report import CARRIED, REPEATED
from sweep.study.units import unit_id
from sweep.worker.checkpoint import UnitCheckpoint
from sweep.worker.embedded_data import forget_embedded, load_embedded, load_tested_embedded
from sweep.worker.leave_notice import UnitLeavesError, leave_notice
from sweep.worker.local_data import load_examples, load_tested
from sweep.worker.machine_errors import MACHINE_ERRORS, FullCacheError
from sweep.worker.prepared_data import PreparedData
from sweep.worker.step_result import Ending, Failed, Finished, FullDisk, OutOfMemory, StepResult
from sweep.worker.unit_results import keep_leaked, keep_results
from sweep.worker.weights import Weights, local_weights

Result = TypeVar("Result")
log = logging.getLogger(__name__)
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
LEAST_STEP_S = 1.0
"""Time that a step of a unit with a frozen encoder takes at least, unless the unit ends in it."""


class UnitTrainable(tune.Trainable):
    """Trains what its config says (`sweep.worker.unit_config`), and tells a `StepResult` after each step, an epoch.

    Epochs of a head on a frozen encoder last milliseconds, so a step is as many as fill `LEAST_STEP_S`; a unit that ends
    in its first step saves no checkpoint.

    By itself every epoch is saved before it is told of. With `checkpoint_minutes` a thread saves one every so many
    minutes; what goes wrong there comes out of the next step, as if the unit had saved itself. The last epoch is not
    saved then, as the unit ends with it, and an epoch that is not saved when the unit is stopped, by a study that
    pauses say, is saved at that moment.

    A result holds the epochs not yet reported by this process. So a unit that lost its worker tells epochs again: those
    in its checkpoint, and those after that which are trained once more. The first one that the study has not heard of
    says how many seconds went into the latter (`repeated`), or an epoch that goes on in the middle, how many an earlier
    attempt has spent on it (`carried`).

    An error of the training itself ends the unit (`Failed`): it would come again on any machine. So does a full disk of
    the studies (`FullDisk`), which halts the study, and a full memory (`OutOfMemory`): the study starts the unit again,
    in smaller chunks. Where a CUDA graph held some of that memory, the unit first goes on from its checkpoint without
    one. An error of the device, and any other of the disk, is the worker's death, as is a machine
    that lacks what units need, or room in its cache. When its node is about to be taken back, or the study pauses, the
    unit saves where it is, in the middle of an epoch too, and leaves (UnitLeavesError).

    What a unit leaves in its process for the next one is let go of before a unit is built that does not use it.

    Where the study asks for it (`leak: true`), the unit answers the test part after every epoch, into files of its own;
    with `protocol: published` the test part is what it is scored on.
    """

    def _setup_logdir(self) -> None:
        # Without Tune Ray would make a folder in the user's home for each actor, and leave it there.
        if self._storage is not None:
            super()._setup_logdir()

    def setup(self, config: dict[str, Any]) -> None:
        self._open(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        if leave_notice()():
            # A step that was asked for already must not train the last unit.
            self._training = None
            self._machine_error = UnitLeavesError(leave_notice().reason)
            raise self._machine_error
        self._open(new_config)
        return True

    def step(self) -> dict[str, Any]:
        # Until an epoch has ended well, the network is between two of them.
        self._unsaved = False
        if self._ending is None and self._machine_error is None:
            result = self._guard(self._train_epoch)
            if isinstance(self._ending, OutOfMemory) and self._is_beside_graph:
                result = self._again_without_graph()
            if result is not None:
                return result.as_tune()
        if self._machine_error is not None:
            raise self._machine_error
        # What is held here would be missing to the next unit of this process.
        self._training = None
        return StepResult(ending=self._ending).as_tune()

    def cleanup(self) -> None:
        self._leave()

    def _open(self, config: dict[str, Any]) -> None:
        self._told = config
        self._ending: Ending | None = None
        # Told by the first step: of an error in `setup` Ray keeps no more than the words.
        self._machine_error: Exception | None = None
        self._note: str | None = None
        self._why_plain: str | None = None
        self._reported = 0
        # The last unit's tensors must be gone before the next one's are made.
        self._training: Training | None = None
        if hasattr(self, "_checkpoint"):
            # A process comes to another unit only when the last one has ended or was stopped for good.
            self._unsaved = False
            self._leave()
        self._unsaved = False
        self._unit = unit_id(config["configuration"], config["seed"])
        self._units, self._predictions = config["folder"], config["predictions"]
        self._leak, self._tested = config["leak"], list[Examples]()
        self._checkpoint = UnitCheckpoint(self._units, self._unit)
        self._saves = TimedSaves(lambda state: self._checkpoint.save(state), config["checkpoint_minutes"])
        self._guard(lambda: self._build(config))

    def _build(self, config: dict[str, Any]) -> None:
        torch.set_num_threads(config["threads"])
        recipe = Recipe.model_validate_json(config["recipe"])
        weights = Weights(**json.loads(config["weights"])) if config["weights"] else None
        self._recipe = _with_weights(recipe, weights)
        if not self._recipe.frozen.encoder:
            # Kept for the next head, and this unit needs its place.
            forget_embedded()
        prepared = PreparedData(**json.loads(config["prepared"]))
        data = _UnitData(
            prepared, self._recipe, weights, config["device"], config["share"], config["accumulate"]
        )
        train, validation = data.examples()
        if config["published"]:
            (validation,) = data.tested()
        training = Training(
            self._recipe,
            config["seed"],
            train,
            validation,
            task=task_named(prepared.task),
            device=config["device"],
            accumulate=config["accumulate"],
            identity=config["identity"],
            data=prepared.identity,
            selected_by=config["selected_by"],
            cuda_graphs=config["cuda_graphs"],
        )
        state, self._note = self._checkpoint.load()
        if state is not None:
            try:
                training.load_state_dict(state)
            except CheckpointError as error:
                self._note = f"{error}; the run begins anew"
        if config["accumulate"] > 1:
            self._add_note(f"batches trained in {config['accumulate']} chunks, as they did not fit whole")
        if self._leak is not None:
            self._tested = data.tested()
        self._heard, self._resumed = config["heard"], training.epoch
        self._spent_before = training.paused_seconds
        self._training = training
        self._checkpoint.begin()

    @property
    def _is_beside_graph(self) -> bool:
        """Whether a captured step takes some of the device's memory."""
        graph = None if self._training is None else self._training.step_graph
        return graph is not None and graph.is_held

    def _again_without_graph(self) -> StepResult | None:
        """Go on from the last checkpoint with plain steps, and train an epoch."""
        # What this process has told is no news when it is trained again.
        heard = max(self._heard, self._reported)
        self._open({**self._told, "cuda_graphs": False, "heard": heard})
        self._add_note(
            "steps are not replayed from a CUDA graph: there is no memory for it beside the rest of the training"
        )
        return None if self._ending or self._machine_error else self._guard(self._train_epoch)

    def _train_epoch(self) -> StepResult:
        training = self._training
        assert training is not None
        if not training.done:
            if not self._run_epochs(training):
                self._saves.save(training.state_dict())
                # An error, and not a result: Tune would use this process, on this node, for the next unit.
                raise UnitLeavesError(f"{leave_notice().reason}; saved in epoch {training.epoch + 1}")
            if not training.done:
                self._unsaved = not self._saves.epoch_ended(training.state_dict)
            elif self._saves.every_epoch and not (self._recipe.frozen.encoder and self._begun == 0):
                # A head that was trained in one step is trained again about as soon as it is saved.
                self._saves.save(training.state_dict())
            else:
                self._saves.wait()
        if training.why_plain != self._why_plain:
            self._why_plain = training.why_plain
            self._add_note(f"steps are not replayed from a CUDA graph: {self._why_plain}")
        news = [self._report(metrics) for metrics in training.history[self._reported :]]
        if self._note is not None:
            news[-1]["note"], self._note = self._note, None
        self._reported = training.epoch
        if not training.done:
            return StepResult(tuple(news))
        held_out = self._recipe.folds.fold is not None
        keep_results(training, self._unit, self._units, self._predictions if held_out else None)
        selected = select_epoch(training.history, self._recipe, training.selected_by)
        return StepResult(tuple(news), Finished(selected.epoch))

    def _add_note(self, note: str) -> None:
        """Have the study told of something beside the next epoch."""
        self._note = f"{self._note}; {note}" if self._note else note

    def _report(self, metrics: EpochMetrics) -> dict[str, Any]:
        """Report an epoch; the first that the study does not know says what it cost, or was spared, to come there."""
        training = self._training
        assert training is not None
        told = report(metrics)
        if metrics.epoch == self._heard + 1 and self._resumed < self._heard:
            again = sum(past.seconds for past in training.history[self._resumed : self._heard])
            told[REPEATED] = max(0.0, again - self._spent_before)
        elif metrics.epoch == self._resumed + 1 > self._heard and self._spent_before:
            told[CARRIED] = self._spent_before
        return told

    def _leave(self) -> None:
        """Leave the unit to another worker, or for good: save what is not saved, and wait until it is written.

        Nobody hears of errors any more; that of a pruned unit, say, whose folder is removed while it is saved, is none.
        """
        try:
            if self._unsaved and self._training is not None and self._checkpoint.is_wanted:
                self._saves.save(self._training.state_dict())
        except Exception as error:
            log.warning("%s: not saved when it was stopped: %s", self._unit, error)
        with contextlib.suppress(Exception):
            self._saves.close()
        self._checkpoint.close()

    def _run_epochs(self, training: Training) -> bool:
        """Train an epoch, or of a head on a frozen encoder as many as a second holds; False when the last was paused."""
        self._begun = training.epoch
        started = time.monotonic()
        while True:
            if training.run_epoch_unless(leave_notice()) is None:
                return False
            # Before the checkpoint: who goes on from there has the answers of every epoch until then.
            self._answer_test_part(training)
            if training.done or not self._recipe.frozen.encoder:
                return True
            if time.monotonic() - started >= LEAST_STEP_S:
                return True

    def _answer_test_part(self, training: Training) -> None:
        """Write down what the network answers to the test part now, where the study asks for that, and nowhere else."""
        if self._leak is None or not self._tested:
            return
        kept = [rounded(*training.answers(part)) for part in self._tested]
        keep_leaked(self._leak, self._unit, training.epoch, np.concatenate(kept))

    def _guard(self, action: Callable[[], Result]) -> Result | None:
        """Return what `action` does; None when it went wrong: then `_ending` or `_machine_error` holds what happened."""
        try:
            return action()
        except UnitLeavesError:
            raise
        except MACHINE_ERRORS as error:
            self._machine_error = error
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            # Before there is a training, features and weights are copied to the cache of this machine.
            if self._training is None or self._checkpoint.in_cache:
                self._machine_error = FullCacheError(f"{cache_folder()}: {error.strerror}")
            else:
                self._ending = FullDisk(f"{error.strerror}: {self._checkpoint.path.parent}")
        except Exception as error:
            if is_out_of_memory(error):
                self._ending = OutOfMemory(_explain(error))
            elif _is_of_the_device(error):
                # This process can use the device no more; another one may.
                raise
            else:
                self._ending = Failed(_explain(error))
        return None


def _with_weights(recipe: Recipe, weights: Weights | None) -> Recipe:
    if weights is None:
        return recipe
    backbone = recipe.backbone.model_copy(update={"pretrained": str(local_weights(weights))})
    return recipe.model_copy(update={"backbone": backbone})


def report(metrics: EpochMetrics) -> dict[str, Any]:
    """Write an epoch in the words of the board: its metrics, its losses, its confusion matrix."""
    return {
        "epoch": metrics.epoch,
        "score": metrics.score,
        "sensitivity": metrics.sensitivity,
        "specificity": metrics.specificity,
        "any_abnormal_score": metrics.any_abnormal_score,
        "train_loss": metrics.train_loss,
        "cross_entropy": metrics.cross_entropy,
        **metrics.terms,
        **({} if metrics.sharpness is None else {"sharpness": metrics.sharpness}),
        "learning_rate": metrics.learning_rate,
        "skipped_steps": metrics.skipped_steps,
        "seconds": metrics.seconds,
        "confusion": metrics.confusion,
    }


@dataclass(frozen=True)
class _UnitData:
    """The cycles that a unit trains and is scored on: log-mels, or what its frozen encoder makes of them."""

    prepared: PreparedData
    recipe: Recipe
    weights: Weights | None
    device: str
    share: float
    chunks: int

    def examples(self) -> tuple[Examples, Examples]:
        """Training and validation cycles, on the device."""
        train, validation = (
            load_examples(self.prepared, self.recipe.folds.fold)
            if (weights := self._encoder_weights) is None
            else load_embedded(self.prepared, self.recipe, weights, self.device, chunks=self.chunks)
        )
        return train.to(self.device, self.share), validation.to(self.device, self.share)

    def tested(self) -> list[Examples]:
        """All cycles of each test part that the study reads at every epoch, on the device."""
        parts = (
            load_tested(self.prepared)
            if (weights := self._encoder_weights) is None
            else load_tested_embedded(self.prepared, self.recipe, weights, self.device, chunks=self.chunks)
        )
        return [part.to(self.device, self.share) for part in parts]

    @property
    def _encoder_weights(self) -> Weights | None:
        return self.weights if self.recipe.frozen.encoder else None


def _is_of_the_device(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, RuntimeError) and any(
        name in text for name in ("CUDA error", "cuDNN error", "NCCL")
    )


def _explain(error: Exception) -> str:
    return f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
