"""Sizes in which each backbone comes. Free of torch: a recipe is checked against them."""

from __future__ import annotations

from typing import Literal, NamedTuple

Stem = Literal["layer_norm", "batch_norm", "conv_blocks"]

DASS_STRIDE = 4
"""How many frames, and how many mel bands, make one cell of the output of a DASS's stem."""
AST_PATCH = 16
"""Frames, and mel bands, of one token of an AST."""
BEATS_PATCH = 16
"""Frames, and mel bands, of one token of a BEATs."""


class DASSSize(NamedTuple):
    """Size of a DASS: blocks and channels of each stage, drop-path rate and stem unless a recipe says otherwise.

    Published weights need the stem with layer norms. Nobody publishes any for tiny, which must learn from scratch.
    """

    depths: tuple[int, ...]
    dims: tuple[int, ...]
    drop_path_rate: float
    stem: Stem


DASS_VARIANTS = {
    "tiny": DASSSize((1, 1, 2, 1), (16, 32, 64, 128), 0.0, "conv_blocks"),
    "small": DASSSize((2, 2, 8, 2), (96, 192, 384, 768), 0.2, "layer_norm"),
    "medium": DASSSize((2, 2, 20, 2), (96, 192, 384, 768), 0.3, "layer_norm"),
}


class ASTSize(NamedTuple):
    """Size of an AST: width of tokens, number of blocks and heads, width inside the perceptrons."""

    dim: int
    depth: int
    heads: int
    mlp_dim: int


AST_VARIANTS = {"tiny": ASTSize(48, 2, 3, 192), "base": ASTSize(768, 12, 12, 3072)}


class CNNTSASize(NamedTuple):
    """Size of a CNN-TSA: output channels of each convolutional block, and the dropout after each."""

    channels: tuple[int, ...]
    dropout: float


CNN_TSA_VARIANTS = {
    "tiny": CNNTSASize((8, 16, 32, 96), 0.0),
    "three_blocks": CNNTSASize((64, 128, 256), 0.2),
    "four_blocks": CNNTSASize((64, 128, 256, 512), 0.2),
}


class BEATsSize(NamedTuple):
    """Size of a BEATs: width of tokens, layers, heads, width inside the perceptrons, and width of embedded patches.

    `conv_pos` and `conv_pos_groups` are taps and groups of the convolution that tells positions, `num_buckets` and
    `max_distance` the table of relative positions (`model.relative_positions.relative_buckets`).
    """

    dim: int
    depth: int
    heads: int
    mlp_dim: int
    embed_dim: int
    conv_pos: int
    conv_pos_groups: int
    num_buckets: int
    max_distance: int


BEATS_VARIANTS = {
    "tiny": BEATsSize(48, 2, 3, 192, 32, 16, 4, 32, 80),
    "base": BEATsSize(768, 12, 12, 3072, 512, 128, 16, 320, 800),
}
