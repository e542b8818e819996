"""One training run: the network, its optimiser and generators, trained epoch by epoch, paused and saved."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from data.batches import Examples, epoch_batches
from data.quantities import counted
from data.settings import ConfigError
from data.task import Task
from data.waveform_augment import waveform_augment
from evidence.objectives import Objective
from evidence.predictions import rounded
from evidence.scores import confusion_matrix
from model.frozen import FrozenNetwork
from model.mixup import draw_mixup
from model.patch_mix import draw_mix
from model.projector import Projector
from model.registry import build_backbone
from model.selective_scan import choose_engine
from model.training.begun_epoch import BegunEpoch
from model.training.checkpoint_contents import checked_state
from model.training.divergence import what_may_help
from model.training.domain_losses import build_domain_losses, domain_batch
from model.training.embeddings import embed, encoder_sha256
from model.training.epoch_metrics import EpochMetrics, TrainingError, select_epoch
from model.training.inputs import inputs_of
from model.training.losses import build_loss
from model.training.optim import build_optimiser, learning_rate_at, optimise_step
from model.training.prediction import autocast, predict
from model.training.recipe import Recipe
from model.training.run_identity import RunIdentity
from model.training.seeds import generator, seed_torch
from model.training.sharpness import validation_sharpness
from model.training.step import Losses, check_accumulates, objective
from model.training.step_batch import StepBatch
from model.training.step_graph import StepGraph, why_not_captured
from model.weight_casts import casting_weights_together

Result = TypeVar("Result")
LEAST_BATCH = 2
"""Cycles of a batch: one alone has neither batch statistics nor a partner to mix with."""


class Training:
    """One training run: a network, its optimiser and the metrics of the epochs trained so far.

    Every use of chance draws from a seed derived from (seed, purpose, epoch), so the state between epochs is
    just weights and moments; in the middle of a paused epoch the positions of the generators come on top.

    `task` says which labels the cycles have, and how the answers are scored; `selected_by`, by what an epoch is better
    than another where the recipe says that the best one stands for the run.

    `accumulate` chunks of a batch go through the backbone one by one, for a device that cannot hold a whole batch.
    The gradients stay those of the whole batch, but for rounding and the draws of drop path; so a state saved with
    one value can be continued with another. Batch norm after the stem allows one chunk only. A state belongs to this
    run if it has the run's task and `identity`, by default the digest of `recipe`: give it where the recipe names a
    file of weights, which may lie elsewhere another day. With `data`, any text that stands for the training and
    validation cycles, a state that was saved with another such text is refused too.

    Of a frozen encoder (`recipe.frozen`) only the head is trained, on the encoder's features of the cycles: `train` and
    `validation` as they are if they are embedded; else features are computed here, once. A state then holds the head,
    and belongs to an encoder with the same file of weights, given `data`.

    With `cuda_graphs` the steps of full batches are replayed from one capture where that can be done
    (`model.training.step_graph`), and a warning says where not. A state knows nothing of it.

    Raises TrainingError when the data cannot be trained on or scored, or the network not in chunks, and ConfigError
    when the recipe's scan engine does not work on `device` (None: CUDA if there is any), or it contrasts devices and
    all training cycles come from one.
    """

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        train: Examples,
        validation: Examples,
        *,
        task: Task,
        device: str | torch.device | None = None,
        accumulate: int = 1,
        identity: str | None = None,
        data: str | None = None,
        selected_by: Objective = "score",
        cuda_graphs: bool = False,
    ) -> None:
        if accumulate < 1:
            raise ValueError(f"accumulate: a batch is trained in 1 chunk or more, got {accumulate}")
        _check_can_be_scored(validation)
        least = recipe.batch_size if recipe.sampling.drop_last else LEAST_BATCH
        if len(train) < least:
            raise TrainingError(f"{counted(len(train), 'training cycle')} cannot fill one batch of {least}")
        self.recipe = recipe
        self.task = task
        self.seed = seed
        self.accumulate = accumulate
        self.selected_by: Objective = selected_by
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.history: list[EpochMetrics] = []
        self.probabilities: Tensor | None = None
        """Of the validation cycles, (cycles, classes), float16, in the epoch that stands for the run so far.

        None before the first epoch, and in a run that was saved before these were kept.
        """
        self._begun: BegunEpoch | None = None

        seed_torch(self.device, seed, "initial weights")
        _check_scan_engine(recipe, self.device)
        input_shape = recipe.input_shape
        backbone = build_backbone(
            recipe.backbone, recipe.smoothing, task.num_classes, input_shape, recipe.dropped_to, recipe.frozen
        )
        self.model = backbone.to(self.device)
        self.trained = self.model.head if isinstance(self.model, FrozenNetwork) else self.model
        """What is trained: the whole network, or the head on a frozen encoder."""
        rests_on = "recordings or folds"
        if isinstance(self.model, FrozenNetwork):
            train, validation = (
                one if one.embedded else embed(self.model, one, recipe, self.device, chunks=accumulate)
                for one in (train, validation)
            )
            self.model.head.standardise(*train.moments)
            # The encoder is not in a state, and its file may be another one another day.
            data = data and f"{data}/{encoder_sha256(recipe)}"
            rests_on = "recordings, folds or frozen weights"
        self.identity = RunIdentity(identity or recipe.digest(), seed, task.name, data, rests_on)
        self.train = train.to(self.device)
        self.validation = validation.to(self.device)
        check_accumulates(self.trained, accumulate)
        self.grid = self.trained.grid(*input_shape)
        self.projector = Projector(self.model.feature_dim).to(self.device) if recipe.patch_mix.axes else None
        self.modules = nn.ModuleDict({"model": self.trained})
        if self.projector is not None:
            self.modules["projector"] = self.projector
            self.projector.requires_grad_(recipe.patch_mix.train_projector)
        self.domain = build_domain_losses(recipe, train.origins, self.model.feature_dim, seed)
        if self.domain is not None:
            self.modules["domain"] = self.domain.to(self.device)
        parameters = [parameter for parameter in self.modules.parameters() if parameter.requires_grad]
        self.optimiser = build_optimiser(recipe.optimiser, parameters)
        self.classification = build_loss(recipe.loss, train.labels, task.num_classes, self.device)
        self._not_captured: str | None = None
        self.step_graph = self._step_graph() if cuda_graphs else None

    @property
    def epoch(self) -> int:
        """Number of epochs trained so far."""
        return len(self.history)

    @property
    def done(self) -> bool:
        return self.epoch >= self.recipe.epochs

    @property
    def why_plain(self) -> str | None:
        """Why no step is replayed, or none any more, where `cuda_graphs` asks for that; None where steps may be."""
        return self._not_captured if self.step_graph is None else self.step_graph.trouble

    @property
    def paused_seconds(self) -> float:
        """Seconds that were spent on the epoch in which this run is paused; 0 between epochs."""
        return 0.0 if self._begun is None else self._begun.seconds

    def run_epoch(self) -> EpochMetrics:
        """Train the next epoch, score it on the validation cycles, and return (and remember) its metrics."""
        metrics = self.run_epoch_unless(lambda: False)
        assert metrics is not None
        return metrics

    def run_epoch_unless(self, pause: Callable[[], bool]) -> EpochMetrics | None:
        """Train and score the next epoch; returns None as soon as `pause`, asked before each batch, answers True.

        A paused epoch goes on where it stopped: at the next call, or in another process from `state_dict`. Raises
        TrainingError when the loss or the network's answers are no longer finite.
        """
        started = time.perf_counter()
        epoch = self.epoch + 1
        rate = learning_rate_at(self.recipe.optimiser, epoch, self.recipe.epochs)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        begun = self._begin(epoch)
        if not self._train_epoch(epoch, begun, pause):
            begun.pause(self.device, time.perf_counter() - started)
            self._begun = begun
            return None
        self._begun = None
        losses, skipped = begun.losses(), begun.skipped
        if not math.isfinite(losses["total"]):
            raise TrainingError(
                f"the training loss is {losses['total']} in epoch {epoch}; {what_may_help(self.recipe)}"
            )
        probabilities, answers = self.predict(self.validation)
        sharpness = self._sharpness(epoch)
        labels = self.validation.labels.cpu().numpy()
        metrics = EpochMetrics(
            epoch=epoch,
            train_loss=losses.pop("total"),
            cross_entropy=losses.pop("cross_entropy"),
            terms=losses,
            learning_rate=rate,
            skipped_steps=skipped,
            seconds=begun.seconds + time.perf_counter() - started,
            confusion=confusion_matrix(labels, answers, self.task.num_classes).tolist(),
            task=self.task.name,
            sharpness=sharpness,
        )
        self.history.append(metrics)
        if select_epoch(self.history, self.recipe, self.selected_by) is metrics:
            self.probabilities = torch.from_numpy(rounded(probabilities, answers))
        return metrics

    def predict(
        self, examples: Examples
    ) -> tuple[Float[np.ndarray, "cycles classes"], Int[np.ndarray, " cycles"]]:
        """Compute the probabilities of the task's labels for cycles as they are, and the label that is answered.

        Raises TrainingError when the network's answers are not finite.
        """
        probabilities, answers = self.answers(examples)
        if not np.isfinite(probabilities).all():
            raise TrainingError(f"the network's answers are no longer finite; {what_may_help(self.recipe)}")
        return probabilities, answers

    def answers(
        self, examples: Examples
    ) -> tuple[Float[np.ndarray, "cycles classes"], Int[np.ndarray, " cycles"]]:
        """Compute what `predict` does, whether the answers are finite or not."""
        network = self.trained if examples.embedded else self.model
        network.eval()
        return self._beside_graph(
            "the scoring of cycles",
            lambda: predict(network, examples, self.recipe, self.device, chunks=self.accumulate),
        )

    def closure(self, batch: StepBatch) -> Callable[[], Losses]:
        """Make what `optimise_step` calls: forward and backward pass of a batch, or their replay."""
        if self.step_graph is not None:
            return self.step_graph.of(self._losses_and_gradients, batch)
        return partial(self._losses_and_gradients, batch)

    def _sharpness(self, epoch: int) -> float | None:
        """Measure the sharpness of the weights after the last epoch, where the recipe asks for it."""
        if epoch < self.recipe.epochs or not self.recipe.sharpness_rho:
            return None
        return self._beside_graph(
            "the measurement of sharpness",
            lambda: validation_sharpness(
                self.trained, self.validation, self.recipe, self.device, chunks=self.accumulate
            ),
        )

    def _beside_graph(self, what: str, work: Callable[[], Result]) -> Result:
        """Do work that changes nothing it depends on; a captured step makes room for it where memory is full."""
        return work() if self.step_graph is None else self.step_graph.beside(what, work)

    def state_dict(self) -> dict[str, Any]:
        """Collect all that `load_state_dict` needs to continue this run bit for bit."""
        return {
            **self.identity.as_state(),
            "history": [asdict(metrics) for metrics in self.history],
            "modules": self.modules.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "begun": None if self._begun is None else vars(self._begun),
            "probabilities": self.probabilities,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue the run that `state` was taken from.

        Raises CheckpointError, and changes nothing, when it is another run's, or does not hold what one of this run
        holds.
        """
        self.identity.check(state)
        saved = checked_state(state, self.modules, self.optimiser, self.task, len(self.validation))
        self.modules.load_state_dict(saved.modules)
        self.optimiser.load_state_dict(saved.optimiser)
        self.history = saved.history
        self.probabilities = saved.probabilities
        self._begun = None if saved.begun is None else BegunEpoch(**saved.begun)

    def _step_graph(self) -> StepGraph | None:
        self._not_captured = why_not_captured(
            self.recipe,
            self.device,
            accumulate=self.accumulate,
            domain=self.domain is not None,
            cycles=len(self.train),
        )
        if self._not_captured is not None:
            warnings.warn(
                f"training steps are not replayed from a CUDA graph: {self._not_captured}", stacklevel=3
            )
            return None
        return StepGraph(self.modules, self.recipe.batch_size, self.device)

    def _begin(self, epoch: int) -> BegunEpoch:
        """The state of the epoch to train: as a pause left it, or fresh."""
        if self._begun is None:
            return BegunEpoch.fresh(self.seed, epoch, self.device)
        return self._begun.resume(self.device)

    def _train_epoch(self, epoch: int, begun: BegunEpoch, pause: Callable[[], bool]) -> bool:
        """Train what is left of an epoch; returns False when the epoch was paused before its end."""
        recipe = self.recipe
        self.modules.train()
        if self.step_graph is not None:
            self.step_graph.begin_epoch()
        masks = torch.Generator()
        masks.set_state(begun.masks)
        mixing = torch.Generator()
        mixing.set_state(begun.mixing)
        pairing = torch.Generator()
        pairing.set_state(begun.mixup)
        order = generator(self.seed, "batches", epoch)
        drawn = epoch_batches(self.train.labels, recipe.batch_size, recipe.sampling, order)
        batches = [rows for rows in drawn if len(rows) >= LEAST_BATCH]
        left = batches[begun.steps :]
        for rows, (features, labels) in zip(left, self.train.batches(left), strict=True):
            if pause():
                begun.masks, begun.mixing = masks.get_state(), mixing.get_state()
                begun.mixup = pairing.get_state()
                return False
            if recipe.waveform_augment.is_on:
                draws = generator(self.seed, "waveform", epoch, begun.steps)
                features = waveform_augment(features, recipe.waveform_augment, recipe.features, draws)
            inputs = inputs_of(self.train, features, recipe, masks)
            mixes = [
                draw_mix(axis, self.grid, len(labels), recipe.patch_mix.beta, mixing)
                for axis in recipe.patch_mix.axes
            ]
            alpha = recipe.mixup.alpha
            mixup = draw_mixup(len(labels), alpha, pairing) if alpha else None
            domain = None
            if self.domain is not None:
                done = (epoch - 1 + begun.steps / len(batches)) / recipe.epochs
                again = generator(self.seed, "second view", epoch, begun.steps)
                domain = domain_batch(self.domain, recipe, self.train.origins, rows, features, again, done)
            backward = self.closure(StepBatch(inputs, labels, mixes, mixup, domain))
            losses, stepped = optimise_step(self.modules, self.optimiser, backward, recipe.optimiser)
            begun.add(losses, stepped)
        return True

    def _losses_and_gradients(self, batch: StepBatch) -> Losses:
        with autocast(self.recipe, self.device), self._casts():
            losses = objective(
                self.trained,
                self.projector,
                batch.inputs,
                batch.labels,
                batch.mixes,
                self.recipe.patch_mix,
                self.classification,
                batch.mixup,
                self.accumulate,
                batch.domain,
            )
        losses.total.backward()
        return losses

    def _casts(self) -> AbstractContextManager[None]:
        # A chunk is computed again in the backward pass, when the network has its own weights back.
        return casting_weights_together(self.trained) if self.accumulate == 1 else nullcontext()


def _check_can_be_scored(validation: Examples) -> None:
    normal = int((validation.labels == 0).sum())
    if normal == 0 or normal == len(validation):
        raise TrainingError(
            f"the validation cycles are {normal} normal and {len(validation) - normal} abnormal ones; "
            "a score needs both: take another fold, or more recordings"
        )


def _check_scan_engine(recipe: Recipe, device: torch.device) -> None:
    try:
        choose_engine(recipe.backbone.scan_engine, device)
    except ValueError as error:
        raise ConfigError(f"backbone.scan_engine: {error}; use auto") from error
