"""CNN-TSA: the convolutional blocks of PANNs' CNN6, with self-attention over time at a place of choice."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from model.conv_block import ConvBlock
from model.recipe_parts import Attention

KEY_SHARE = 8
"""How many times narrower queries and keys are than the tokens."""


class CNNTSA(nn.Module):
    """Convolutional blocks, self-attention over time, and a linear head; trains from scratch.

    Each of the blocks (one for each of `channels`) halves time and frequency. Their last map is pooled to
    tokens in time, mean plus maximum over frequency, and the tokens to features, mean over time. `attention` says
    where tokens of all time steps attend to each other: `input`, the mel bands of each frame; `blockN`, the output of
    block N with channels and frequency flattened; `post`, the pooled tokens; `none`, nowhere. Dropout follows each
    block.

    The first layer, `bn0`, normalises each of the `mels` bands over batch and time, so a network fits one number of
    bands and any number of frames. Kernels are laid out (time, frequency), and attribute names are the keys of the
    published CNN6, so its weights fit. Without `bn0` and head, four blocks have 4,304,320 parameters, and 4,632,000
    with attention to the pooled tokens. Batch norm makes the features of a sample depend on the others of its batch
    while the network trains.

    Raises ValueError when `attention` names a block that there is not, or a band does not reach the last map.

    Reference: temporal self-attention, https://arxiv.org/abs/2507.20052; CNN6: Kong et al., "PANNs", Table 1,
    https://arxiv.org/abs/1912.10211. What the former leaves open (one head, no biases, plain residual, keys of an
    eighth of the width) was inferred from its counts of multiply-adds, 2.48 G for `post` and 3.17 G for `block1`.
    """

    def __init__(
        self,
        channels: Sequence[int],
        mels: int,
        num_classes: int = 4,
        attention: Attention = "post",
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.mels = mels
        self.channels = tuple(channels)
        widths = token_widths(channels, mels)
        if attention not in widths and attention != "none":
            raise ValueError(f"attention: expected none, {', '.join(widths)}, got {attention}")
        self.bn0 = nn.BatchNorm1d(mels)
        for index, (inputs, outputs) in enumerate(zip((1, *channels), channels, strict=False), start=1):
            self.add_module(f"conv_block{index}", ConvBlock(inputs, outputs))
        self.grid(2 ** len(channels), mels)
        self.place = attention
        self.attention = None if attention == "none" else TemporalAttention(widths[attention])
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels[-1], num_classes)
        self.apply(_draw_weights)

    @property
    def feature_dim(self) -> int:
        """Width of the pooled features."""
        return self.head.in_features

    @property
    def stem_layers(self) -> nn.Module:
        """What `stem` runs."""
        attends = [self.attention] if self.place == "input" and self.attention is not None else []
        return nn.ModuleList([self.bn0, *attends, self._block(1)])

    def grid(self, frames: int, mels: int) -> tuple[int, int]:
        """Count the (frequency, time) cells of the first block's output.

        Raises ValueError for other mel bands than the network's, and when frames or bands do not reach the last map.
        """
        least = 2 ** len(self.channels)
        if mels != self.mels:
            raise ValueError(f"this cnn_tsa was built for {self.mels} mel bands, got {mels}")
        if min(frames, mels) < least:
            raise ValueError(
                f"cnn_tsa of {len(self.channels)} blocks needs at least {least} frames and {least} mel bands, "
                f"got {frames} x {mels}"
            )
        return mels // 2, frames // 2

    def forward(self, x: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch classes"]:
        """Compute logits of normalised log-mels."""
        return self.classify(self.forward_grid(self.stem(x)))

    def stem(self, x: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch channels height width"]:
        """Run the first block, on whose cells (two bands by two frames) samples are mixed.

        Attention to the input comes before, all other attention sees mixed samples. Raises ValueError as `grid` does.
        """
        self.grid(*x.shape[1:])
        x = self.bn0(x.transpose(1, 2)).transpose(1, 2)
        if self.place == "input" and self.attention is not None:
            x = self.attention(x)
        return self._block(1)(x[:, None]).transpose(2, 3)

    def forward_grid(
        self, grid: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch features"]:
        """Run the further blocks; returns the features, averaged over time."""
        x = self._attend_after(1, self.dropout(grid.transpose(2, 3)))
        for index in range(2, len(self.channels) + 1):
            x = self._attend_after(index, self.dropout(self._block(index)(x)))
        tokens = (x.mean(dim=3) + x.amax(dim=3)).transpose(1, 2)
        if self.place == "post" and self.attention is not None:
            tokens = self.attention(tokens)
        return tokens.mean(dim=1)

    def classify(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch classes"]:
        """Compute logits of pooled features."""
        return self.head(features)

    @property
    def last_block(self) -> ConvBlock:
        """The block nearest the features."""
        block = self._block(len(self.channels))
        assert isinstance(block, ConvBlock)
        return block

    def _block(self, index: int) -> nn.Module:
        return self.get_submodule(f"conv_block{index}")

    def _attend_after(
        self, index: int, x: Float[Tensor, "batch channels time frequency"]
    ) -> Float[Tensor, "batch channels time frequency"]:
        if self.place != f"block{index}" or self.attention is None:
            return x
        tokens = self.attention(rearrange(x, "b c t f -> b t (c f)"))
        return rearrange(tokens, "b t (c f) -> b c t f", c=x.shape[1])


class TemporalAttention(nn.Module):
    """Self-attention of one head over time, added to its input: x + softmax(Q K' / sqrt(d_k)) V, with d_k = d / 8."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        keys = max(1, dim // KEY_SHARE)
        self.query = nn.Linear(dim, keys, bias=False)
        self.key = nn.Linear(dim, keys, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time dim"]:
        query, key, value = self.query(x), self.key(x), self.value(x)
        scores = query @ key.transpose(1, 2) / math.sqrt(key.shape[2])
        return x + torch.softmax(scores, dim=2) @ value


def token_widths(channels: Sequence[int], mels: int) -> dict[str, int]:
    """Width of a token at each place where attention can be, for blocks of these `channels` and `mels` bands."""
    blocks = {f"block{index}": width * (mels >> index) for index, width in enumerate(channels, start=1)}
    return {"input": mels, **blocks, "post": channels[-1]}


def _draw_weights(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
