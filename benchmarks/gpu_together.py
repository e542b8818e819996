"""Are seeds trained faster as one batched network than one after the other? Forward and backward of five, both ways.

    .venv/bin/python benchmarks/gpu_together.py

Together, the weights of five networks lie stacked and one pass of `torch.func.vmap` goes through them; one after the
other, each has a pass of its own, of as many cycles. Both make the same gradients, which is checked, on a CPU in double
precision: drop path and dropout are off. The scan has no batched form, and goes through the networks one by one in
both. On a CPU the networks are tiny and use one thread, as a unit does. No bar is set: `resources` has no such setting,
and this says whether one would be worth it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import Any
from unittest import mock

import bench
import torch
from gpu_found import Found
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from model import ss2d
from model.frozen import FrozenHead
from model.recipe_parts import BackboneConfig, SmoothingConfig
from model.registry import build_backbone
from model.selective_scan.cross_selective_scan import cross_selective_scan

SEEDS, CLASSES = 5, 4
MOST_ERROR = {"cpu": 1e-9, "cuda": 2e-2}
"""Between gradients, relative to the largest of a weight. A CPU compares in double precision, a GPU in bfloat16."""

Build = Callable[[], nn.Module]


def together(device: torch.device) -> Found:
    """Time both ways for each network, and check that their gradients agree."""
    cuda = device.type == "cuda"
    rows, gains = [], []
    for name, (build, shape) in (_networks() if cuda else _tiny_networks()).items():
        nets, inputs = _networks_of_seeds(build, device), torch.randn(SEEDS, *shape, device=device)
        compared = (nets, inputs) if cuda else _in_double(nets, inputs)
        error = _difference(_OneByOne(*compared), _Together(*compared))
        assert error <= MOST_ERROR[device.type], f"{name}: gradients differ by {error:.1e}"
        one_by_one, joint = _OneByOne(nets, inputs), _Together(nets, inputs)
        found = bench.time_in_turn({"one": one_by_one, "together": joint}, 20 if cuda else 7, device, 2)
        gain = bench.ratio(found["one"], found["together"])
        gains.append(f"{name} {gain:.2f}")
        rows.append((name, shape[0], found["one"].cell("ms"), found["together"].cell("ms"), f"{gain:.2f}"))
    head = (
        f"{SEEDS} networks, forward + backward",
        "batch of each",
        "one by one, ms",
        "together, ms",
        "times as fast",
    )
    bench.print_table(head, rows)
    return Found("as fast together, times: " + ", ".join(gains))


class _OneByOne:
    """A pass for each network."""

    def __init__(self, nets: list[nn.Module], inputs: Tensor) -> None:
        self.nets, self.inputs = nets, inputs

    def __call__(self) -> None:
        for net, inputs in zip(self.nets, self.inputs, strict=True):
            net.zero_grad()
            with _precision(inputs.device):
                logits = net(inputs)
            _loss(logits).backward()

    def gradients(self) -> dict[str, Tensor]:
        own = [dict(net.named_parameters()) for net in self.nets]
        return {
            name: torch.stack([_gradient(one[name]) for one in own])
            for name, weight in own[0].items()
            if weight.grad is not None
        }


class _Together:
    """One pass for all networks, whose weights lie stacked."""

    def __init__(self, nets: list[nn.Module], inputs: Tensor) -> None:
        self.net, self.inputs = nets[0], inputs
        self.weights = {
            name: weight.requires_grad_()
            for name, weight in _stacked([dict(net.named_parameters()) for net in nets]).items()
        }
        self.buffers = _stacked([dict(net.named_buffers()) for net in nets])

    def __call__(self) -> None:
        for weight in self.weights.values():
            weight.grad = None

        def one(weights: dict[str, Tensor], buffers: dict[str, Tensor], inputs: Tensor) -> Tensor:
            return functional_call(self.net, (weights, buffers), (inputs,))

        scan = mock.patch.object(ss2d, "cross_selective_scan", _scan_each)
        with _precision(self.inputs.device), _attention(self.inputs.device), scan:
            logits = vmap(one)(self.weights, self.buffers, self.inputs)
        torch.stack([_loss(of_one) for of_one in logits]).sum().backward()

    def gradients(self) -> dict[str, Tensor]:
        return {name: weight.grad for name, weight in self.weights.items() if weight.grad is not None}


class _ScanEach(torch.autograd.Function):
    """The scan within `vmap`: that of each network in turn."""

    @staticmethod
    def forward(*inputs: Tensor) -> Tensor:
        return cross_selective_scan(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Keep nothing: within `vmap` the scans of each network keep what they need."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        raise RuntimeError("this scan is for vmap alone")

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        each = zip(*(x.movedim(dim, 0) for x, dim in zip(inputs, in_dims, strict=True)), strict=True)
        return torch.stack([cross_selective_scan(*of_one) for of_one in each]), 0


def _scan_each(*inputs: Tensor, engine: str) -> Tensor:
    found: Any = _ScanEach.apply(*inputs)
    return found


def _tiny_networks() -> Mapping[str, tuple[Build, tuple[int, ...]]]:
    """Networks as `benchmarks/real_breaths.py` trains them, and heads as `benchmarks/frozen_heads.py` does."""
    frames, mels = 50, 32
    return {
        "CNN-TSA tiny": (_backbone(frames, mels, name="cnn_tsa", variant="tiny"), (32, frames, mels)),
        "AST tiny": (_backbone(frames, mels, name="ast", variant="tiny"), (32, frames, mels)),
        "DASS tiny": (
            _backbone(frames, mels, name="dass", variant="tiny", stem="conv_blocks"),
            (32, frames, mels),
        ),
        "a linear head": (lambda: FrozenHead(96, CLASSES), (1024, 96)),
        "a head with 64 hidden units": (lambda: FrozenHead(96, CLASSES, hidden=64), (1024, 96)),
    }


def _networks() -> Mapping[str, tuple[Build, tuple[int, ...]]]:
    """Networks of the papers' sizes."""
    return {
        "CNN-TSA": (_backbone(500, 64, name="cnn_tsa"), (32, 500, 64)),
        "AST base": (_backbone(798, 128, name="ast"), (8, 798, 128)),
        "DASS small": (_backbone(1024, 128, name="dass", variant="small"), (16, 1024, 128)),
    }


def _backbone(frames: int, mels: int, **settings: Any) -> Build:
    if settings["name"] == "dass":
        settings["drop_path_rate"] = 0.0
    config = BackboneConfig.model_validate(settings)
    smoothing = SmoothingConfig(stage=None)
    return lambda: build_backbone(config, smoothing, CLASSES, (frames, mels))


def _networks_of_seeds(build: Build, device: torch.device) -> list[nn.Module]:
    nets = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        net = build().to(device).train()
        for part in net.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
        nets.append(net)
    return nets


def _in_double(nets: list[nn.Module], inputs: Tensor) -> tuple[list[nn.Module], Tensor]:
    return [deepcopy(net).double() for net in nets], inputs.double()


def _difference(one_by_one: _OneByOne, joint: _Together) -> float:
    """Compute the gradients both ways; returns the largest difference, relative to the largest of a weight's."""
    # Running statistics of batch norms move with each pass, and have no share in training.
    one_by_one()
    joint()
    expected, found = one_by_one.gradients(), joint.gradients()
    assert expected.keys() == found.keys()
    worst = 0.0
    for name, right in expected.items():
        scale = right.abs().amax()
        # A bias before a batch norm has no gradient but rounding.
        if scale > 1e-4 * max(one.abs().amax() for one in expected.values()):
            worst = max(worst, float((right - found[name]).abs().amax() / scale))
    return worst


def _stacked(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([state[name] for state in states]).detach() for name in states[0]}


def _gradient(weight: Tensor) -> Tensor:
    assert weight.grad is not None
    return weight.grad


def _loss(logits: Tensor) -> Tensor:
    return functional.cross_entropy(
        logits.to(torch.promote_types(logits.dtype, torch.float32)),
        torch.arange(len(logits), device=logits.device) % CLASSES,
    )


def _precision(device: torch.device) -> AbstractContextManager[Any]:
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()


def _attention(device: torch.device) -> AbstractContextManager[Any]:
    """Products in place of the CPU's fused attention, which has no batched form."""
    return nullcontext() if device.type == "cuda" else sdpa_kernel(SDPBackend.MATH)


if __name__ == "__main__":
    where = bench.chosen_device("auto")
    if where.type == "cpu":
        torch.set_num_threads(1)
    bench.print_machine(where)
    together(where)
