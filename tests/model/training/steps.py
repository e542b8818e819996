"""Tiny networks in double precision, labels and mixes for one training step."""

from collections.abc import Sequence
from typing import Literal

import torch

from model.ast import AST
from model.backbone import Backbone
from model.dass import DASS
from model.patch_mix import Mix, segment
from model.recipe_parts import Axis, BackboneConfig, SmoothingConfig
from model.registry import build_backbone
from model.variants import Stem

SHAPE = (40, 32)
LABELS = torch.tensor([0, 1, 0, 2, 3, 0, 1])
ALL_AXES: tuple[Axis, ...] = ("time", "frequency", "cells")


def build(
    name: Literal["dass", "ast"], drop_path_rate: float | None = None, stem: Stem | None = None
) -> DASS | AST:
    torch.manual_seed(1)
    config = BackboneConfig(name=name, variant="tiny", drop_path_rate=drop_path_rate, stem=stem)
    smoothing = SmoothingConfig(stage=1 if name == "dass" else None)
    model = build_backbone(config, smoothing, 4, SHAPE).double().train()
    assert isinstance(model, (DASS, AST))
    return model


def half_mixed(model: Backbone, axes: Sequence[Axis], batch: int) -> list[Mix]:
    """Mixes that take about half of the cells from a partner, who is sample 0 itself for sample 0 of the first."""
    height, width = grid = model.grid(*SHAPE)
    mixes = []
    for axis in axes:
        if axis == "cells":
            replaced = torch.arange(height * width).reshape(grid) % 2 == 0
        else:
            replaced = segment(axis, grid, 0, grid[1 if axis == "time" else 0] // 2)
        permutation = torch.cat([torch.zeros(1, dtype=torch.long), torch.arange(1, batch).roll(1)])
        mixes.append(Mix(axis, permutation.roll(len(mixes)), replaced))
    return mixes
