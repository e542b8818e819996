"""Low-rank adaptation: small trained matrices beside the frozen weights of a transformer's attention."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from model.ast import AST
from model.beats import BEATs, EncoderLayer
from model.lora_config import LoRAConfig, Target

STACKED: tuple[Target, ...] = ("query", "key", "value")
"""Projections whose weights an AST holds stacked in one tensor, in this order."""
PROJECTIONS: dict[Target, str] = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "out_proj"}
"""What these projections are called in a BEATs."""


class Pair(nn.Module):
    """An update of a weight by the product of two matrices of low rank.

        update = alpha / rank B A

    A begins with normal numbers, whose variance is one over the width, and B with zeros, so that nothing is changed at
    first. `scale`, which is alpha / rank, is saved with them.
    """

    scale: Tensor

    def __init__(self, inputs: int, outputs: int, config: LoRAConfig) -> None:
        super().__init__()
        self.A = nn.Parameter(torch.randn(config.rank, inputs) / math.sqrt(inputs))
        self.B = nn.Parameter(torch.zeros(outputs, config.rank))
        self.register_buffer("scale", torch.tensor(config.alpha / config.rank))

    def forward(self) -> Float[Tensor, "outputs inputs"]:
        """Compute the update."""
        return _update(self.A, self.B, self.scale)


class Adapted(nn.Module):
    """A weight of stacked projections with an update for some of them: (W + update) x is W x + alpha / rank B A x.

    `rows`: the projections that the weight holds, from its first row on, all with equally many rows.

    Reference: Hu et al., "LoRA", section 4.1, https://arxiv.org/abs/2106.09685
    """

    def __init__(self, weight: Tensor, rows: tuple[Target, ...], config: LoRAConfig) -> None:
        super().__init__()
        self.rows = rows
        for target in config.targets:
            if target in rows:
                pair = Pair(weight.shape[1], len(weight) // len(rows), config)
                self.add_module(target, pair.to(weight.device))

    def forward(self, weight: Float[Tensor, "outputs inputs"]) -> Float[Tensor, "outputs inputs"]:
        """Add the updates to a weight."""
        pairs = dict(self.named_children())
        parts = weight.chunk(len(self.rows))
        adapted = [
            part + pairs[target]() if target in pairs else part
            for target, part in zip(self.rows, parts, strict=True)
        ]
        return torch.cat(adapted)


def add_lora(model: AST | BEATs, config: LoRAConfig) -> None:
    """Freeze all weights of `model` but its classifier, and put trained pairs beside those that `config` targets.

    Weights keep their names with `parametrizations` and `original` in them, beside which the pairs stand.
    """
    model.requires_grad_(False)
    for module, name, rows in list(_weights(model)):
        if set(rows) & set(config.targets):
            weight = module.get_parameter(name)
            parametrize.register_parametrization(module, name, Adapted(weight, rows, config))
    head = model.mlp_head if isinstance(model, AST) else model.predictor
    head.requires_grad_()


def has_lora(model: nn.Module) -> bool:
    """Whether a network has low-rank pairs."""
    return any(isinstance(module, Pair) for module in model.modules())


def merged(found: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Add low-rank pairs to the weights beside them; returns the tensors of the network without pairs, by their names.

    Tensors of a network without pairs are returned as they are, and so are those where one that is wanted is missing or
    has a shape of its own.
    """
    pairs = [match for name in found if (match := _MATRIX.fullmatch(name))]
    plain = {name: value for name, value in found.items() if not _PAIR.match(name)}
    for match in pairs:
        place, weight, target = match.groups()
        pair = f"{place}parametrizations.{weight}.0.{target}"
        name, original = f"{place}{weight}", f"{place}parametrizations.{weight}.original"
        if original in plain:
            plain[name] = plain.pop(original).clone()
        rows: tuple[str, ...] = STACKED if weight == "in_proj_weight" else (target,)
        try:
            plain[name].chunk(len(rows))[rows.index(target)].add_(
                _update(found[f"{pair}.A"], found[f"{pair}.B"], found[f"{pair}.scale"])
            )
        except (KeyError, IndexError, ValueError, RuntimeError):
            return found
    return plain


_PAIR = re.compile(r"(.+\.)parametrizations\.(\w+)\.0\.(query|key|value|output)\.(?:A|B|scale)")
_MATRIX = re.compile(_PAIR.pattern.replace("(?:A|B|scale)", "A"))


def _update(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    return scale * (b @ a)


def _weights(model: AST | BEATs) -> Iterator[tuple[nn.Module, str, tuple[Target, ...]]]:
    """Yield each weight of attention: the module that has it, its name there, and the projections that it holds."""
    if isinstance(model, AST):
        for block in model.blocks:
            assert isinstance(block, nn.TransformerEncoderLayer)
            yield block.self_attn, "in_proj_weight", STACKED
            yield block.self_attn.out_proj, "weight", ("output",)
        return
    for layer in model.encoder.layers:
        assert isinstance(layer, EncoderLayer)
        for target, name in PROJECTIONS.items():
            yield layer.self_attn.get_submodule(name), "weight", (target,)
