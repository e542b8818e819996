"""Backbones by name: what they must offer, and how one is built."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from model.ast import AST
from model.cnn_tsa import CNNTSA
from model.dass import DASS
from model.pretrained import load_pretrained
from model.recipe_parts import BackboneConfig, SmoothingConfig, check_input, check_smoothing
from model.variants import AST_VARIANTS, CNN_TSA_VARIANTS, DASS_VARIANTS

log = logging.getLogger(__name__)


@runtime_checkable
class Backbone(Protocol):
    """What training asks of a network: features that can be mixed on the way, and logits from them.

    What a network computes of a sample depends on no other sample, unless it holds a batch norm and is training. Then
    a batch must not be split into chunks.
    """

    @property
    def feature_dim(self) -> int:
        """Width of the pooled features."""
        ...

    @property
    def stem_layers(self) -> nn.Module:
        """What `stem` runs: if it holds batch norm, a batch goes through the stem as a whole."""
        ...

    def modules(self) -> Iterator[nn.Module]:
        """All modules, as of any `nn.Module`."""
        ...

    def grid(self, frames: int, mels: int) -> tuple[int, int]:
        """Count the (frequency, time) cells of the grid on which mixes are drawn."""
        ...

    def stem(self, x: Tensor) -> Tensor:
        """Compute the grid (batch, channels, frequency, time) of log-mels (batch, frames, mels), without any chance."""
        ...

    def forward_grid(self, grid: Tensor) -> Tensor:
        """Compute pooled features (batch, feature_dim) of a grid.

        Without batch norm after the stem no sample's features depend on another sample. With it they do, in training.
        """
        ...

    def classify(self, features: Tensor) -> Tensor:
        """Compute logits (batch, classes) of pooled features."""
        ...


def build_backbone(
    config: BackboneConfig, smoothing: SmoothingConfig, num_classes: int, input_shape: tuple[int, int]
) -> DASS | AST | CNNTSA:
    """Build the network for log-mels of `input_shape` (frames, mels), and load pretrained weights if `config` names any.

    Raises ConfigError when smoothing or input do not fit the network, PretrainedError when weights do not.
    """
    check_smoothing(config, smoothing)
    check_input(config, *input_shape)
    backbone = _build(config, smoothing, num_classes, input_shape[1])
    if config.pretrained is not None:
        report = load_pretrained(backbone, config.pretrained)
        log.info("%s  layout %s  SHA-256 %s", report.path, report.layout, report.sha256)
    return backbone


def _build(
    config: BackboneConfig, smoothing: SmoothingConfig, num_classes: int, mels: int
) -> DASS | AST | CNNTSA:
    if config.name == "ast":
        size = AST_VARIANTS[config.variant]
        return AST(size.dim, size.depth, size.heads, size.mlp_dim, num_classes)
    if config.name == "cnn_tsa":
        channels, dropout = CNN_TSA_VARIANTS[config.variant]
        dropout = dropout if config.dropout is None else config.dropout
        return CNNTSA(channels, mels, num_classes, config.attention or "post", dropout)
    variant = DASS_VARIANTS[config.variant]
    drop_path_rate = variant.drop_path_rate if config.drop_path_rate is None else config.drop_path_rate
    return DASS(
        variant.depths,
        variant.dims,
        num_classes=num_classes,
        drop_path_rate=drop_path_rate,
        smoothing=None if smoothing.stage is None else smoothing,
        scan_engine=config.scan_engine,
        stem=config.stem or variant.stem,
        mels=mels,
        pooling=config.pooling,
    )
