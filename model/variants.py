"""Sizes in which each backbone comes. Free of torch: a recipe is checked against them."""

from __future__ import annotations

from typing import NamedTuple


class DASSSize(NamedTuple):
    """Size of a DASS: blocks and channels of each stage, and the drop-path rate it was published with."""

    depths: tuple[int, ...]
    dims: tuple[int, ...]
    drop_path_rate: float


DASS_VARIANTS = {
    "tiny": DASSSize((1, 1, 2, 1), (16, 32, 64, 128), 0.0),
    "small": DASSSize((2, 2, 8, 2), (96, 192, 384, 768), 0.2),
    "medium": DASSSize((2, 2, 20, 2), (96, 192, 384, 768), 0.3),
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
    "tiny": CNNTSASize((10, 20, 40, 80), 0.0),
    "three_blocks": CNNTSASize((64, 128, 256), 0.2),
    "four_blocks": CNNTSASize((64, 128, 256, 512), 0.2),
}
