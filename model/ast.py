"""AST, the audio spectrogram transformer: patches of a log-mel, two special tokens, pre-norm encoder."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from model.recipe_parts import Pooling, PositionLayout
from model.variants import AST_PATCH

STRIDE = 10
TABLE_GRID = (12, 101)
"""Frequency x time patches of the 128 x 1024 input that the published weights were made for."""


class AST(nn.Module):
    """Audio spectrogram transformer with class and distillation token.

    Takes any log-mel of at least 16 x 16: the position table keeps the published size, and `fit_positions`
    fits it to each input.

    `pooling`: features are the `mean` of the two special output tokens, or (`token_mean`) that of all tokens, patches
    included, which AST + SAM classifies without another layer norm. `dropout` is the share of the features that training
    drops right before the linear classifier. `position_layout` swapped fits the position table as the code behind the
    published ICBHI scores of AST does: for a grid with as many rows as the input has columns. Tokens of an input of 798
    frames then find 12 positions in time, over and over.

    Reference: Gong et al., https://arxiv.org/abs/2104.01778
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        heads: int,
        mlp_dim: int,
        num_classes: int = 4,
        *,
        pooling: Pooling = "mean",
        dropout: float = 0.0,
        position_layout: PositionLayout = "correct",
    ) -> None:
        super().__init__()
        self.pooling = pooling
        self.position_layout = position_layout
        self.feature_dim = dim
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, dim, AST_PATCH, STRIDE)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.dist_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 2 + TABLE_GRID[0] * TABLE_GRID[1], dim))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                dim,
                heads,
                mlp_dim,
                dropout=0.0,
                activation="gelu",
                layer_norm_eps=1e-6,
                batch_first=True,
                norm_first=True,
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        head_norm = nn.Identity() if pooling == "token_mean" else nn.LayerNorm(dim)
        self.mlp_head = nn.Sequential(head_norm, nn.Linear(dim, num_classes))
        self.dropout = nn.Dropout(dropout)
        for parameter in (self.cls_token, self.dist_token, self.pos_embed):
            nn.init.trunc_normal_(parameter, std=0.02)

    @property
    def stem_layers(self) -> nn.Module:
        """What `stem` runs."""
        return self.patch_embed

    def forward(self, x: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch classes"]:
        """Compute logits of normalised log-mels."""
        return self.classify(self.forward_grid(self.stem(x)))

    def stem(self, x: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch dim height width"]:
        """Embed patches, on which samples are mixed, before positions are added. Raises ValueError when none fits."""
        self.grid(*x.shape[1:])
        return self.patch_embed["proj"](rearrange(x, "batch frames mels -> batch 1 mels frames"))

    def forward_grid(self, grid: Float[Tensor, "batch dim height width"]) -> Float[Tensor, "batch dim"]:
        """Run the encoder; returns the mean of the two special output tokens, or with pooling `token_mean` of all."""
        tokens = self.tokens(grid)
        return (tokens if self.pooling == "token_mean" else tokens[:, :2]).mean(dim=1)

    def classify(self, features: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch classes"]:
        """Compute logits of pooled features."""
        norm, linear = self.mlp_head
        return linear(self.dropout(norm(features)))

    def tokens(self, grid: Float[Tensor, "batch dim height width"]) -> Float[Tensor, "batch tokens dim"]:
        """Run the encoder; returns normalised tokens: class, distillation, then the patches, frequency-major."""
        tokens = self._placed(grid)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def attentions(
        self, grid: Float[Tensor, "batch dim height width"]
    ) -> list[Float[Tensor, "batch tokens tokens"]]:
        """Compute how much each token (row) attends to each (column), mean over the heads, for every block in order.

        Rows sum to 1. Each attention is computed twice, as the encoder itself does not keep it.
        """
        tokens, found = self._placed(grid), []
        for block in self.blocks:
            assert isinstance(block, nn.TransformerEncoderLayer)
            normed = block.norm1(tokens)
            found.append(block.self_attn(normed, normed, normed, need_weights=True)[1])
            tokens = block(tokens)
        return found

    def _placed(self, grid: Float[Tensor, "batch dim height width"]) -> Float[Tensor, "batch tokens dim"]:
        """Put the special tokens before the patches, and add positions."""
        special = torch.cat([self.cls_token, self.dist_token], dim=1).expand(len(grid), -1, -1)
        tokens = torch.cat([special, rearrange(grid, "batch dim f t -> batch (f t) dim")], dim=1)
        height, width = grid.shape[2:]
        laid_out = (height, width) if self.position_layout == "correct" else (width, height)
        return tokens + fit_positions(self.pos_embed, laid_out)

    def grid(self, frames: int, mels: int) -> tuple[int, int]:
        """Count the patches of a log-mel along frequency and along time. Raises ValueError when none fits."""
        if min(frames, mels) < AST_PATCH:
            raise ValueError(
                f"ast needs at least {AST_PATCH} frames and {AST_PATCH} mel bands, got {frames} x {mels}"
            )
        return (mels - AST_PATCH) // STRIDE + 1, (frames - AST_PATCH) // STRIDE + 1


def fit_positions(
    table: Float[Tensor, "1 table_tokens dim"], grid: tuple[int, int]
) -> Float[Tensor, "1 tokens dim"]:
    """Fit the position table to another grid: along each axis its centred window, or stretched to a longer axis."""
    if grid == TABLE_GRID:
        return table
    special, patches = table[:, :2], table[:, 2:]
    patches = rearrange(patches, "1 (f t) dim -> 1 dim f t", f=TABLE_GRID[0])
    for axis, length in ((3, grid[1]), (2, grid[0])):
        available = patches.shape[axis]
        if length <= available:
            patches = patches.narrow(axis, available // 2 - length // 2, length)
        else:
            size = [length if other == axis else patches.shape[other] for other in (2, 3)]
            patches = functional.interpolate(patches, size=size, mode="bilinear", align_corners=False)
    return torch.cat([special, rearrange(patches, "1 dim f t -> 1 (f t) dim")], dim=1)
