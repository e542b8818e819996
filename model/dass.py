"""DASS: a hierarchical state-space network on log-mel spectrograms."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from data.settings import ConfigError
from model.dass_stem import Norm, build_stem, channels_first, halving, layer_norm
from model.drop_path import draw_drop_path
from model.pointwise import Pointwise
from model.recipe_parts import Pooling, SmoothingConfig
from model.variants import DASS_STRIDE, Stem
from model.vss_block import VSSBlock


class DASS(nn.Module):
    """Stem, stages of `VSSBlock`s with halving between them, pooling and a linear head.

    Height is frequency, width is time; maps inside are (batch, height, width, channels). The drop-path rate
    rises linearly over the blocks to `drop_path_rate`. Attribute names are the keys of the published weights.

    The published network has stem `layer_norm` and `pooling` mean. From random weights a tiny one ends ten
    points higher on real breaths with `conv_blocks`, which fits inputs of `mels` bands alone (docs/benchmarks.md, "Real
    breaths"). `mean_max` adds the maximum over the last map's cells to their mean, for sounds that fill a small part of
    a cycle.

    Raises ConfigError when `smoothing` names a stage that this network lacks.

    Reference: Bhati et al., "DASS: Distilled Audio State Space Models", https://arxiv.org/abs/2407.04082
    """

    def __init__(
        self,
        depths: Sequence[int],
        dims: Sequence[int],
        num_classes: int = 4,
        drop_path_rate: float = 0.0,
        smoothing: SmoothingConfig | None = None,
        scan_engine: str = "auto",
        stem: Stem = "layer_norm",
        mels: int = 128,
        pooling: Pooling = "mean",
    ) -> None:
        super().__init__()
        if smoothing is not None and max(smoothing.stages, default=0) >= len(depths):
            raise ConfigError(
                f"smoothing.stage: this DASS has stages 0 to {len(depths) - 1}, got {max(smoothing.stages)}"
            )
        self.patch_embed = build_stem(stem, dims[0], mels, scan_engine)
        blocks_in_all = sum(depths)
        rates = torch.tensor([drop_path_rate * i / max(1, blocks_in_all - 1) for i in range(blocks_in_all)])
        self.drop_path_rates: Tensor
        # Not among the weights, yet on their device.
        self.register_buffer("drop_path_rates", rates, persistent=False)
        self.layers = nn.ModuleList()
        for stage, (depth, dim) in enumerate(zip(depths, dims, strict=True)):
            blocks = []
            for block in range(depth):
                smoothed = smoothing is not None and smoothing.smooths(stage, block, depth)
                blocks.append(VSSBlock(dim, smoothing if smoothed else None, scan_engine))
            is_last = stage == len(depths) - 1
            self.layers.append(
                Stage(blocks, dim, None if is_last else dims[stage + 1], layer_norm(scan_engine))
            )
        self.classifier = Classifier(dims[-1], num_classes)
        self.depths = tuple(depths)
        self.drops = drop_path_rate > 0
        self.pooling: Pooling = pooling
        self.apply(_draw_linear_weights)

    @property
    def feature_dim(self) -> int:
        """Width of the pooled features."""
        return self.classifier.head.in_features

    @property
    def stem_layers(self) -> nn.Module:
        """What `stem` runs."""
        return self.patch_embed

    @property
    def num_stages(self) -> int:
        """How many stages there are, each at half the resolution of the one before."""
        return len(self.depths)

    def grid(self, frames: int, mels: int) -> tuple[int, int]:
        """Count the (frequency, time) cells of the stem's output.

        Raises ValueError for an input below one cell, and for mel bands that a stem of `conv_blocks` was not built for.
        """
        if min(frames, mels) < DASS_STRIDE:
            raise ValueError(
                f"DASS needs at least {DASS_STRIDE} frames and mel bins, got {frames} frames and {mels} bins"
            )
        return self.patch_embed.grid(frames, mels)

    def forward(self, x: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch classes"]:
        """Compute logits of normalised log-mels."""
        return self.classify(self.forward_grid(self.stem(x)))

    def stem(self, x: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch channels height width"]:
        """Compute the grid on which samples are mixed. Raises ValueError as `grid` does."""
        self.grid(*x.shape[1:])
        x = x.transpose(1, 2).contiguous()[..., None]
        # Seen as channels-last, or the convolution answers channels-first and every norm copies.
        return self.patch_embed(x.permute(0, 3, 1, 2)).permute(0, 3, 1, 2)

    def forward_grid(
        self, grid: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch features"]:
        """Run the stages on a stem's output; returns features pooled over the last map."""
        x = grid.permute(0, 2, 3, 1)
        for stage, scales in zip(self.layers, self._draw_drop_path(grid), strict=True):
            x = stage(x, scales)
        x = self.classifier.norm(x)
        return x.mean((1, 2)) if self.pooling == "mean" else x.mean((1, 2)) + x.amax((1, 2))

    def _draw_drop_path(self, grid: Tensor) -> Sequence[Tensor | None]:
        """Draw which samples skip which branches, by stage; None for each in use, and where nothing is dropped."""
        if not (self.training and self.drops):
            return [None] * self.num_stages
        device = grid.device.type
        # Branches end in a product, which is of this type.
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else grid.dtype
        return draw_drop_path(self.drop_path_rates, len(grid), dtype).split(self.depths)

    def classify(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch classes"]:
        """Compute logits of pooled features."""
        return self.classifier.head(features)


class Stage(nn.Module):
    """Blocks at one resolution, then a halving to the next stage's channels unless it is the last."""

    def __init__(self, blocks: Sequence[VSSBlock], dim: int, next_dim: int | None, norm: Norm) -> None:
        super().__init__()
        self.blocks = Blocks(*blocks)
        self.downsample = (
            nn.Identity()
            if next_dim is None
            else nn.Sequential(channels_first(), *halving(dim, next_dim, norm))
        )

    def forward(
        self,
        x: Float[Tensor, "batch height width dim"],
        scales: Float[Tensor, "blocks 2 batch"] | None = None,
    ) -> Float[Tensor, "batch next_height next_width next_dim"]:
        return self.downsample(self.blocks(x, scales))


class Blocks(nn.Sequential):
    """Blocks one after the other; `scales` are those of each (`model.drop_path`), None: ones."""

    def forward(
        self,
        input: Float[Tensor, "batch height width dim"],
        scales: Float[Tensor, "blocks 2 batch"] | None = None,
    ) -> Float[Tensor, "batch height width dim"]:
        x = input
        for block, of_block in zip(self, [None] * len(self) if scales is None else scales, strict=True):
            x = block(x, of_block)
        return x


class Classifier(nn.Module):
    """The last norm and the linear head; `DASS` pools between them."""

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)


def _draw_linear_weights(module: nn.Module) -> None:
    if isinstance(module, Pointwise):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
