"""A training step captured once as a CUDA graph, and replayed: the host starts one thing and not hundreds."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from model.out_of_memory import is_out_of_memory
from model.selective_scan import choose_engine
from model.training.begun_epoch import draws_of, set_draws
from model.training.graph_capture import Capture, cuda_capture
from model.training.recipe import Recipe
from model.training.replay_check import Outcome, Standing, fault_of
from model.training.step import Losses
from model.training.step_batch import StepBatch, form_of, other_batch, tensors_of

CHECKED = 2
"""Batches that are also trained without the graph before it is believed."""
CHECKED_AGAIN = 50
"""Replays after which the next epoch begins with a check, which would outweigh the few steps that heads have in one."""
Eager = Callable[[StepBatch], Losses]
"""Forward and backward pass of a batch, operator by operator, into gradients that are None before."""
Result = TypeVar("Result")


def why_not_captured(
    recipe: Recipe, device: torch.device, *, accumulate: int, domain: bool, cycles: int
) -> str | None:
    """Say why the steps of a run cannot be captured, or None where that may be tried.

    `accumulate`: chunks of a batch; `domain`: whether losses know patients or devices; `cycles`: those trained on.
    """
    if device.type != "cuda":
        return f"a CUDA graph needs a CUDA device, and this run has {device.type}"
    if accumulate > 1:
        return f"a batch goes through the network in {accumulate} chunks, which are computed again backward"
    if domain:
        return "losses over patients and devices differ in shape from batch to batch"
    if recipe.backbone.is_own:
        return "what a network of your own does in later steps is not known from its first ones"
    if cycles < recipe.batch_size:
        return f"{cycles} training cycles never fill a batch of {recipe.batch_size}"
    if recipe.backbone.name == "dass" and not recipe.frozen.encoder:
        engine = choose_engine(recipe.backbone.scan_engine, device)
        if engine != "triton":
            return f"the selective scan runs by {engine}, and only triton was made with capture in mind"
    return None


class StepGraph:
    """Replays forward pass, losses and backward pass of full batches, from one capture; the optimiser stays outside.

    The first full batch is captured; a batch of another shape takes the plain step. All that a step is told lies in
    memory that stays where it is, and is copied there for each batch. While the step is captured something else lies
    there, so that a number which the capture took for good is wrong from the first replay on. The gradients that a
    replay leaves lie in the graph's memory: the next replay writes over them, whoever has changed them meanwhile.

    A graph is believed only as far as it was checked. The first two batches of a run, and the first of an epoch before
    which fifty passes were replayed unchecked, go through the plain step too, twice, from the same generators and
    running statistics: losses, gradients, running statistics and generators afterwards have to agree. The bound on a
    tensor is ten times what the two plain passes differ by (a GPU may add up in another order each time), a thousandth
    of its norm, and a millionth of the norm of all gradients, losses or statistics, together. A batch that is checked
    is trained by the plain step's gradients. Where the numbers disagree (the warning counts the passes that were
    replayed since they last agreed), where the capture fails for whatever reason, where weights have moved in memory,
    or where there is no memory for the graph beside a plain step or other work (`beside`), a warning says so, the
    graph's memory is let go of, and all further steps are plain (`trouble`).

    Weights, running statistics and generators are as if warm-up and capture had never been, so a run may be paused under
    a graph and go on without one, and the other way round.
    """

    def __init__(
        self, modules: nn.Module, batch_size: int, device: torch.device, capture: Capture | None = None
    ) -> None:
        """`modules`: all that is trained; `batch_size`: cycles of a full batch; `capture`: `cuda_capture` or another."""
        self.trouble: str | None = None
        """Why the graph was given up; None while it was not."""
        self._names = [name for name, one in modules.named_parameters() if one.requires_grad]
        self._trained = [one for one in modules.parameters() if one.requires_grad]
        self._statistics = dict(modules.named_buffers())
        self._all = [*modules.parameters(), *self._statistics.values()]
        self._batch_size = batch_size
        self._device = device
        self._capture = capture or cuda_capture
        self._held: _Held | None = None
        self._unchecked = CHECKED
        self._believed = 0
        self._agreed = False

    @property
    def is_held(self) -> bool:
        """Whether a step is captured."""
        return self._held is not None

    def begin_epoch(self) -> None:
        """Have the next batch checked, if enough were not."""
        self._count_checked()
        if self._believed >= CHECKED_AGAIN:
            self._unchecked = max(self._unchecked, 1)

    def of(self, eager: Eager, batch: StepBatch) -> Callable[[], Losses]:
        """Make the closure of one batch for `optimise_step`, which may be called again at other weights.

        Called between two steps; `eager` is the plain step, whose losses the closure returns as well, without a graph of
        autograd.
        """
        self._count_checked()
        if self._held is not None and self._held.addresses != _addresses(self._all):
            self._give_up("weights lie elsewhere in memory than when the step was captured")
        if not self._takes(batch):
            return functools.partial(self._plainly, eager, batch)
        if self._held is not None:
            self._held.load(batch)
        return functools.partial(self._run, eager, batch)

    def beside(self, what: str, work: Callable[[], Result]) -> Result:
        """Do work between two steps; where memory is full beside a captured step, let go of that, and do it once more.

        `work` changes nothing that it depends on; `what` names it in the warning. Of work that does not fit by itself
        the error is raised.
        """
        if self._held is None:
            return work()
        try:
            return work()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Here, as the error's frames hold tensors.
        self._give_up(f"there is no memory for it beside {what}")
        return work()

    def _count_checked(self) -> None:
        """Count the last batch as checked, if it was."""
        if self._agreed:
            self._unchecked = max(0, self._unchecked - 1)
        self._agreed = False

    def _takes(self, batch: StepBatch) -> bool:
        if len(batch.labels) != self._batch_size or batch.domain is not None:
            return False
        return self._held is None or form_of(self._held.batch) == form_of(batch)

    def _run(self, eager: Eager, batch: StepBatch) -> Losses:
        if self.trouble is not None:
            return eager(batch)
        if not self._unchecked:
            assert self._held is not None
            self._believed += 1
            return self._held.replay(self._trained)
        return self._or_without_graph(functools.partial(self._checked, eager, batch), eager, batch)

    def _plainly(self, eager: Eager, batch: StepBatch) -> Losses:
        """Take the plain step of a batch for which there is no graph, beside one that takes memory."""
        if self._held is None:
            return eager(batch)
        return self._or_without_graph(lambda _: eager(batch), eager, batch)

    def _or_without_graph(self, step: Callable[[Standing], Losses], eager: Eager, batch: StepBatch) -> Losses:
        """Take a step, told where things stand before it; where memory is full, the plain one without the graph."""
        before = self._standing()
        try:
            return step(before)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # A plain step that does not fit by itself raises the same error again.
        self._give_up("there is no memory for it beside the plain step")
        self._put_back(before)
        return eager(batch)

    def _checked(self, eager: Eager, batch: StepBatch, before: Standing) -> Losses:
        """Take the plain step, and let the graph, which is captured first where there is none, repeat it.

        Returns the plain step's losses, and leaves all that it left. One whose numbers are not finite checks nothing.
        """
        plain = self._pass(eager, batch)
        if not plain.is_finite():
            return plain.losses
        self._put_back(before)
        # What two plain passes differ by is no fault of the graph.
        again = self._pass(eager, batch)
        self._put_back(before)
        if self._held is None:
            self._try_to_capture(eager, batch)
            self._put_back(before)
        if self._held is not None:
            losses = self._held.replay(self._trained)
            replayed = Outcome(losses, [one.grad for one in self._trained], self._standing())
            fault = fault_of(self._names, list(self._statistics), plain, again, replayed)
            del replayed
            if fault is None:
                self._agreed, self._believed = True, 0
            else:
                believed = f"; since it last agreed, {self._believed} passes were replayed" * bool(
                    self._believed
                )
                self._give_up(f"replayed, it gives other numbers: {fault}{believed}")
        self._put_back(plain.standing)
        for weight, gradient in zip(self._trained, plain.gradients, strict=True):
            weight.grad = gradient
        return plain.losses

    def _pass(self, eager: Eager, batch: StepBatch) -> Outcome:
        """Take a plain step; nothing of autograd's graph, whose nodes know their stream, outlives it."""
        self._clear_gradients()
        losses = eager(batch).each(Tensor.detach)
        return Outcome(losses, [one.grad for one in self._trained], self._standing())

    def _try_to_capture(self, eager: Eager, batch: StepBatch) -> None:
        reason = None
        try:
            held = other_batch(batch)

            def step() -> tuple[Losses, list[Tensor | None]]:
                self._clear_gradients()
                losses = eager(held).each(Tensor.detach)
                return losses, [one.grad for one in self._trained]

            (losses, gradients), again = self._capture(step, self._device)
            self._held = _Held(held, losses, gradients, again, _addresses(self._all))
            self._held.load(batch)
        except Exception as error:
            # Without the error itself, whose frames hold tensors.
            reason = f"it cannot be captured ({type(error).__name__}: {str(error).partition(chr(10))[0]})"
        self._clear_gradients()
        if reason is not None:
            self._give_up(reason)

    def _give_up(self, reason: str) -> None:
        self.trouble, self._held = reason, None
        self._clear_gradients()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        warnings.warn(
            f"no training step is replayed from a CUDA graph any more, the plain step goes on: {reason}",
            stacklevel=2,
        )

    def _clear_gradients(self) -> None:
        for weight in self._trained:
            weight.grad = None

    def _standing(self) -> Standing:
        return Standing(draws_of(self._device), [one.clone() for one in self._statistics.values()])

    @torch.no_grad()
    def _put_back(self, standing: Standing) -> None:
        set_draws(standing.draws, self._device)
        for one, value in zip(self._statistics.values(), standing.statistics, strict=True):
            one.copy_(value)


@dataclass
class _Held:
    """A captured step: what it reads, what it writes, and where weights lay when it was captured."""

    batch: StepBatch
    losses: Losses
    gradients: list[Tensor | None]
    again: Callable[[], None]
    addresses: list[int]

    def load(self, batch: StepBatch) -> None:
        """Copy a batch of the same form to where the captured step reads."""
        pairs = zip(tensors_of(self.batch), tensors_of(batch), strict=True)
        for place, value in pairs:
            # From pinned memory a copy waits for nothing.
            pinned = value.pin_memory() if place.is_cuda and not value.is_cuda else value
            place.copy_(pinned, non_blocking=True)

    def replay(self, trained: list[nn.Parameter]) -> Losses:
        """Run the captured step; returns copies of its losses, and leaves its gradients at the weights."""
        self.again()
        for weight, gradient in zip(trained, self.gradients, strict=True):
            weight.grad = gradient
        return self.losses.each(Tensor.clone)


def _addresses(tensors: Sequence[Tensor]) -> list[int]:
    return [one.data_ptr() for one in tensors]
