"""A training step captured once as a CUDA graph, and replayed: the host starts one thing and not hundreds."""

from __future__ import annotations

import contextlib
import functools
import gc
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from data.placement import indexed, send
from model.mixup import Mixup
from model.patch_mix import Mix
from model.selective_scan import choose_engine
from model.training.begun_epoch import draws_of, set_draws
from model.training.domain_losses import DomainBatch
from model.training.recipe import Recipe
from model.training.step import Losses

CHECKED = 2
"""Batches that are also trained without the graph before it is believed."""
CHECKED_AGAIN = 50
"""Replays after which the next epoch begins with a check, which would outweigh the few steps that heads have in one."""
WARM_UPS = 3
"""Passes before a capture, as PyTorch's documentation asks for; then one more that may not wait for the device."""
NOISE, RELATIVE, OVERALL = 10.0, 1e-3, 1e-6
"""How far a replayed tensor may be off: so many times what two plain passes differ by, and shares of its norm and of the
norm of all tensors of its kind."""

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class StepBatch:
    """What a training step is told of its batch: all that chance decides outside the network is drawn."""

    inputs: Float[Tensor, "batch *cycle"]
    labels: Int[Tensor, " batch"]
    mixes: Sequence[Mix] = ()
    mixup: Mixup | None = None
    domain: DomainBatch | None = None


Eager = Callable[[StepBatch], Losses]
"""Forward and backward pass of a batch, operator by operator, into gradients that are None before."""


@runtime_checkable
class Capture(Protocol):
    """Runs a function and keeps what it did on the device: returns its result, and what does all of that again.

    A replay reads the tensors that the function read, and writes its results into the same memory.
    """

    def __call__(
        self, function: Callable[[], Result], device: torch.device
    ) -> tuple[Result, Callable[[], None]]: ...


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
    or where there is no memory for both, a warning says so, the graph's memory is let go of, and all further steps are
    plain (`trouble`).

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
        if self.trouble is not None or not self._takes(batch):
            return functools.partial(eager, batch)
        if self._held is not None:
            self._held.load(batch)
        return functools.partial(self._run, eager, batch)

    def _count_checked(self) -> None:
        """Count the last batch as checked, if it was."""
        if self._agreed:
            self._unchecked = max(0, self._unchecked - 1)
        self._agreed = False

    def _takes(self, batch: StepBatch) -> bool:
        if len(batch.labels) != self._batch_size or batch.domain is not None:
            return False
        return self._held is None or _form(self._held.batch) == _form(batch)

    def _run(self, eager: Eager, batch: StepBatch) -> Losses:
        if self.trouble is not None:
            return eager(batch)
        if not self._unchecked:
            assert self._held is not None
            self._believed += 1
            return self._held.replay(self._trained)
        before = self._standing()
        # A plain step that does not fit by itself raises the same error again.
        with contextlib.suppress(torch.OutOfMemoryError):
            return self._checked(eager, batch, before)
        self._give_up("there is no memory for it beside the plain step")
        self._put_back(before)
        return eager(batch)

    def _checked(self, eager: Eager, batch: StepBatch, before: _Standing) -> Losses:
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
            replayed = _Outcome(losses, [one.grad for one in self._trained], self._standing())
            fault = _fault(self._names, list(self._statistics), plain, again, replayed)
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

    def _pass(self, eager: Eager, batch: StepBatch) -> _Outcome:
        """Take a plain step; nothing of autograd's graph, whose nodes know their stream, outlives it."""
        self._clear_gradients()
        losses = _each(eager(batch), Tensor.detach)
        return _Outcome(losses, [one.grad for one in self._trained], self._standing())

    def _try_to_capture(self, eager: Eager, batch: StepBatch) -> None:
        reason = None
        try:
            held = _other_batch(batch)

            def step() -> tuple[Losses, list[Tensor | None]]:
                self._clear_gradients()
                losses = _each(eager(held), Tensor.detach)
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

    def _standing(self) -> _Standing:
        return _Standing(draws_of(self._device), [one.clone() for one in self._statistics.values()])

    @torch.no_grad()
    def _put_back(self, standing: _Standing) -> None:
        set_draws(standing.draws, self._device)
        for one, value in zip(self._statistics.values(), standing.statistics, strict=True):
            one.copy_(value)


def cuda_capture(function: Callable[[], Result], device: torch.device) -> tuple[Result, Callable[[], None]]:
    """Capture what `function` starts on a CUDA device, after warm-up passes on a stream of its own (see `Capture`).

    The last of these raises where the function waits for the device, which would spoil a capture. The device's generator
    takes part: a replay draws on from where it stands. Errors of the function and of CUDA are raised as they are; the
    generator and the current stream can be used after them.

    Reference: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
    """
    device = indexed(device)
    current, graph = torch.cuda.current_stream(device), torch.cuda.CUDAGraph()
    # A tensor that is freed by the garbage collector within a capture may need the device.
    gc.collect()
    try:
        with torch.cuda.device(device):
            stream = _side_stream(device)
            _warm_up(function, stream, current)
            # Threads that read ahead or save use the device meanwhile.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                result = function()
    except Exception:
        torch.cuda.set_stream(current)
        # A capture that was broken off leaves the generator waiting for its end, and every later draw an error.
        with contextlib.suppress(RuntimeError):
            generator = torch.cuda.default_generators[device.index]
            generator.graphsafe_set_state(generator.clone_state())
        raise
    return result, graph.replay


def _warm_up(function: Callable[[], object], stream: torch.cuda.Stream, current: torch.cuda.Stream) -> None:
    stream.wait_stream(current)
    mode = torch.cuda.get_sync_debug_mode()
    with torch.cuda.stream(stream), warnings.catch_warnings():
        # Torch says of its own mode that it is a prototype.
        warnings.simplefilter("ignore")
        for _ in range(WARM_UPS):
            function()
        torch.cuda.set_sync_debug_mode("error")
        try:
            function()
        finally:
            torch.cuda.set_sync_debug_mode(mode)
    current.wait_stream(stream)


@functools.cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """One stream for all captures of a process: what cuBLAS keeps for a stream stays for good."""
    return torch.cuda.Stream(device)


@dataclass
class _Standing:
    """Where generators and running statistics stand."""

    draws: list[Tensor]
    statistics: list[Tensor]


@dataclass
class _Outcome:
    """What a pass over a batch came to."""

    losses: Losses
    gradients: list[Tensor | None]
    standing: _Standing

    def is_finite(self) -> bool:
        found = [*_named(self.losses).values(), *(one for one in self.gradients if one is not None)]
        return bool(torch.stack([one.isfinite().all() for one in found]).all())


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
        pairs = zip(_tensors(self.batch), _tensors(batch), strict=True)
        for place, value in pairs:
            # From pinned memory a copy waits for nothing.
            pinned = value.pin_memory() if place.is_cuda and not value.is_cuda else value
            place.copy_(pinned, non_blocking=True)

    def replay(self, trained: list[nn.Parameter]) -> Losses:
        """Run the captured step; returns copies of its losses, and leaves its gradients at the weights."""
        self.again()
        for weight, gradient in zip(trained, self.gradients, strict=True):
            weight.grad = gradient
        return _each(self.losses, Tensor.clone)


def _other_batch(batch: StepBatch) -> StepBatch:
    """Make a batch of the form of `batch`, all on its device, that differs from it in everything that a step reads."""
    device = batch.inputs.device
    mixes = [
        replace(
            mix,
            permutation=send(mix.permutation.roll(1), device),
            replaced=send(~mix.replaced, device),
            share=send(_other_share(mix), device),
        )
        for mix in batch.mixes
    ]
    mixup = batch.mixup
    if mixup is not None:
        permutation = send(mixup.permutation.roll(1), device)
        mixup = replace(mixup, permutation=permutation, share=send(_other_share(mixup), device))
    labels = (batch.labels == 0).to(batch.labels.dtype)
    return StepBatch(batch.inputs.roll(1, dims=0), labels, mixes, mixup)


def _other_share(mix: Mix | Mixup) -> Tensor:
    return (_share(mix) + 0.5) % 1


def _tensors(batch: StepBatch) -> list[Tensor]:
    """List all that a step reads of a batch."""
    found = [batch.inputs, batch.labels]
    for mix in batch.mixes:
        found += [mix.permutation, mix.replaced, _share(mix)]
    if batch.mixup is not None:
        found += [batch.mixup.permutation, _share(batch.mixup)]
    return found


def _share(mix: Mix | Mixup) -> Tensor:
    return torch.tensor(mix.lam, dtype=torch.float64) if mix.share is None else mix.share


def _form(batch: StepBatch) -> list[object]:
    """Tell batches apart that one captured step cannot serve."""
    mixes = [(mix.axis, mix.replaced.shape) for mix in batch.mixes]
    return [batch.inputs.shape, batch.inputs.dtype, batch.labels.shape, mixes, batch.mixup is None]


def _addresses(tensors: Sequence[Tensor]) -> list[int]:
    return [one.data_ptr() for one in tensors]


def _named(losses: Losses) -> dict[str, Tensor]:
    return {"total": losses.total, "cross_entropy": losses.cross_entropy, **losses.terms}


def _each(losses: Losses, function: Callable[[Tensor], Tensor]) -> Losses:
    terms = {name: function(one) for name, one in losses.terms.items()}
    return Losses(function(losses.total), function(losses.cross_entropy), terms)


def _fault(
    weights: list[str], statistics: list[str], plain: _Outcome, again: _Outcome, replayed: _Outcome
) -> str | None:
    """Name what a replay has most beyond the bounds of `StepGraph`; None where it agrees with the plain step."""
    if any(
        not torch.equal(*pair) for pair in zip(plain.standing.draws, replayed.standing.draws, strict=True)
    ):
        return "it draws another count of random numbers"
    passes = (plain, again, replayed)
    losses = [_named(one.losses) for one in passes]
    with_gradients = [[one is not None for one in each.gradients] for each in passes]
    if losses[0].keys() != losses[2].keys() or with_gradients[0] != with_gradients[2]:
        return "it has other losses, or gradients of other weights"
    gradients = [[one for one in each.gradients if one is not None] for each in passes]
    of_weights = [name for name, there in zip(weights, with_gradients[0], strict=True) if there]
    groups = [
        ([f"loss {name}" for name in losses[0]], [list(each.values()) for each in losses]),
        ([f"gradient of {name}" for name in of_weights], gradients),
        (statistics, [each.standing.statistics for each in passes]),
    ]
    worst = max(
        (_furthest(names, *tensors) for names, tensors in groups if names),
        default=None,
        key=lambda found: found[0],
    )
    return worst[1] if worst is not None and worst[0] > 1 else None


def _furthest(
    names: list[str], plain: list[Tensor], again: list[Tensor], replayed: list[Tensor]
) -> tuple[float, str]:
    """Find the tensor with the largest difference for its bound: how many times the bound that is, and in words."""
    norms = torch.stack(
        [
            torch.stack([_norm(one), _norm(one, other), _norm(one, third)])
            for one, other, third in zip(plain, again, replayed, strict=True)
        ]
    ).cpu()
    size, noise, off = norms.unbind(dim=1)
    bounds = NOISE * noise + RELATIVE * size + OVERALL * size.norm()
    # Zero of zero is well, and what is not finite is beyond any bound.
    times = torch.where(off == 0, 0.0, off / bounds).nan_to_num(nan=torch.inf, posinf=torch.inf)
    row = int(times.argmax())
    return float(times[row]), (
        f"{names[row]} of norm {float(size[row]):.3g} is off by {float(off[row]):.3g}, where two plain passes differ by "
        f"{float(noise[row]):.3g} and {float(bounds[row]):.3g} is allowed"
    )


def _norm(one: Tensor, other: Tensor | None = None) -> Tensor:
    """Compute the norm of a tensor, or of the difference of two, in double precision."""
    found = one.double() if other is None else one.double() - other.double()
    return torch.linalg.vector_norm(found)
