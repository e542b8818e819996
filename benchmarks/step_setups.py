"""The networks, batches and steps that `benchmarks/step.py` times, alike but for how they are written."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple
from unittest import mock

import torch
from plain_step import PlainDASS, Scan, indexed_scan, plain_losses, plain_step, unbound_scan
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn import functional

from model import ss2d
from model.patch_mix import Mix, draw_mix
from model.projector import Projector
from model.recipe_parts import BackboneConfig, Form, PatchMixConfig, SmoothingConfig
from model.registry import build_backbone
from model.selective_scan import available_engines, selective_scan
from model.training.optim import build_optimiser, optimise_step
from model.training.recipe import OptimiserConfig
from model.training.step import Losses, objective
from model.variants import DASS_VARIANTS

MELS, CLASSES = 128, 4
OPTIMISER = OptimiserConfig()
SCANS: dict[str, Scan] = {
    "indexed": indexed_scan,
    "unbound": unbound_scan,
    **{engine: partial(selective_scan, delta_softplus=True, engine=engine) for engine in ("mamba", "triton")},
}


class Setup(NamedTuple):
    """Which network on which batch; `scan` is that of the plain network. Plain values, which reach another process."""

    variant: str
    batch: int
    frames: int
    device: str
    autocast: torch.dtype | None = None
    scan: str = "unbound"
    drop_path_rate: float | None = None

    def context(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.autocast is None else torch.autocast(self.device, self.autocast)


class Batch(NamedTuple):
    inputs: Tensor
    labels: Tensor
    mixes: list[Mix]


def draw_batch(setup: Setup, grid: tuple[int, int]) -> Batch:
    """Draw spectrograms that differ in loudness and slope, and one mix along each axis."""
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(setup.batch, setup.frames, MELS, generator=draw)
    slopes = torch.randn(setup.batch, 2, 1, 1, generator=draw)
    inputs += (
        slopes[:, 0] * torch.linspace(-2, 2, MELS)
        + slopes[:, 1] * torch.linspace(-2, 2, setup.frames)[:, None]
    )
    mixes = [draw_mix(axis, grid, setup.batch, 1.0, draw) for axis in ("time", "frequency")]
    return Batch(inputs.to(setup.device), (torch.arange(setup.batch) % CLASSES).to(setup.device), mixes)


class Ours:
    """The network and the step as `model.training` runs them."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        torch.manual_seed(0)
        backbone = BackboneConfig(
            name="dass",
            variant=setup.variant,  # pyright: ignore[reportArgumentType]
            drop_path_rate=setup.drop_path_rate,
            stem="layer_norm",
        )
        self.model = build_backbone(backbone, SmoothingConfig(), CLASSES, (setup.frames, MELS)).to(
            setup.device
        )
        self.projector = Projector(self.model.feature_dim).to(setup.device)
        self.modules = nn.ModuleDict({"model": self.model, "projector": self.projector}).train()
        self.optimiser = build_optimiser(OPTIMISER, self.modules.parameters())
        self.batch = draw_batch(setup, self.model.grid(setup.frames, MELS))

    def forward_backward(self) -> None:
        """Run the clean pass alone: logits, cross-entropy, gradients."""
        self.modules.zero_grad()
        with self.setup.context():
            loss = functional.cross_entropy(self.model(self.batch.inputs), self.batch.labels)
        loss.backward()

    def forward_backward_of_stand_in(self) -> None:
        """Run the clean pass alone with `stand_in` in place of the scan."""
        with mock.patch.object(ss2d, "cross_selective_scan", stand_in):
            self.forward_backward()

    def losses(self, form: Form = "reference") -> Losses:
        with self.setup.context():
            return objective(self.model, self.projector, *self.batch, PatchMixConfig(form=form))

    def step(self, form: Form) -> None:
        """Take a dual-axis step with weight blending."""

        def closure() -> Losses:
            losses = self.losses(form)
            losses.total.backward()
            return losses

        optimise_step(self.modules, self.optimiser, closure, OPTIMISER)


class Plain:
    """The network and the step as `plain_step` writes them, from the weights of `Ours`."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        ours = Ours(setup)
        size = DASS_VARIANTS[setup.variant]
        rate = size.drop_path_rate if setup.drop_path_rate is None else setup.drop_path_rate
        scan = SCANS[setup.scan]
        self.model = PlainDASS(size.depths, size.dims, CLASSES, rate, SmoothingConfig(), scan).to(
            setup.device
        )
        self.model.load_state_dict(ours.model.state_dict())
        self.projector, self.batch = ours.projector, ours.batch
        self.modules = nn.ModuleDict({"model": self.model, "projector": self.projector}).train()
        self.optimiser = torch.optim.AdamW(
            self.modules.parameters(), OPTIMISER.learning_rate, weight_decay=OPTIMISER.weight_decay
        )
        self.scaler = GradScaler(setup.device, enabled=setup.autocast == torch.float16)

    def losses(self) -> dict[str, Tensor]:
        return plain_losses(self.model, self.projector, *self.batch, PatchMixConfig())

    def step(self) -> None:
        plain_step(
            self.modules,
            self.optimiser,
            self.losses,
            OPTIMISER.weight_blend,
            self.setup.context(),
            self.scaler,
        )


def stand_in(
    u: Tensor,
    projected: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    A: Tensor,
    D: Tensor,
    *,
    engine: str = "auto",
) -> Tensor:
    """Do about the least that can be done to an output which depends on every argument of `cross_selective_scan`."""
    gain = (D + A.sum(1)).view(4, -1).sum(0) + dt_weight.sum((0, 2)) + dt_bias.sum(0)
    return u * gain + projected.sum(-1, keepdim=True)


def published_scan() -> tuple[str, str]:
    """Say how the published way scans on this machine: the name for a `Setup`, and in words."""
    missing = available_engines()
    if missing["mamba"] is None:
        return "mamba", "mamba-ssm's kernel"
    if missing["triton"] is None:
        return "triton", f"our own kernel in the place of mamba-ssm's, which is missing: {missing['mamba']}"
    return "unbound", f"a loop over time, as there is no kernel: {missing['mamba']}"
