"""Backbones by name: their variants, what they must offer, and how one is built."""

from __future__ import annotations

import logging
from typing import Literal, Protocol, runtime_checkable

from pydantic import Field, model_validator
from torch import Tensor

from data.settings import Config, ConfigError
from model import ast, dass
from model.ast import AST
from model.dass import DASS
from model.pretrained import load_pretrained
from model.selective_scan import Engine
from model.smoothing import SmoothingConfig

log = logging.getLogger(__name__)

VARIANTS = {"dass": tuple(dass.VARIANTS), "ast": tuple(ast.VARIANTS)}


@runtime_checkable
class Backbone(Protocol):
    """What training asks of a network: features that can be mixed on the way, and logits from them."""

    @property
    def feature_dim(self) -> int:
        """Width of the pooled features."""
        ...

    def grid(self, frames: int, mels: int) -> tuple[int, int]:
        """(frequency, time) cells of the grid on which mixes are drawn."""
        ...

    def stem(self, x: Tensor) -> Tensor:
        """The grid (batch, channels, frequency, time) of log-mels (batch, frames, mels): nothing in it is random."""
        ...

    def forward_grid(self, grid: Tensor) -> Tensor:
        """Pooled features (batch, feature_dim) of a grid, sample by sample: none depends on another's."""
        ...

    def classify(self, features: Tensor) -> Tensor:
        """Logits (batch, classes) of pooled features."""
        ...


class BackboneConfig(Config):
    """Which network, how large, and from which weights it starts."""

    name: Literal["dass", "ast"] = "dass"
    variant: Literal["tiny", "small", "medium", "base"] = Field(
        default="medium", description="dass: tiny, small, medium; ast: tiny, base"
    )
    drop_path_rate: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="of the last block, rising linearly; null: the variant's own (dass)",
    )
    pretrained: str | None = Field(
        default=None, description="checkpoint file, or hub id author/name; null: random initial weights"
    )
    scan_engine: Engine = Field(
        default="auto",
        description="dass: what computes the selective scan; auto: what is meant for the device, see respsweep doctor",
    )

    @model_validator(mode="after")
    def _exists(self) -> BackboneConfig:
        if self.variant not in VARIANTS[self.name]:
            raise ValueError(
                f"{self.name} has no variant {self.variant}; it has {', '.join(VARIANTS[self.name])}"
            )
        if self.name == "ast" and self.drop_path_rate is not None:
            raise ValueError(
                f"ast has no drop path, so drop_path_rate must be null, got {self.drop_path_rate}"
            )
        if self.name == "ast" and self.scan_engine != "auto":
            raise ValueError(f"ast scans nothing, so scan_engine must be auto, got {self.scan_engine}")
        return self


def check_smoothing(backbone: BackboneConfig, smoothing: SmoothingConfig) -> None:
    """Raise ConfigError when `smoothing` names a stage that the backbone lacks."""
    if smoothing.stage is None:
        return
    if backbone.name != "dass":
        raise ConfigError(
            f"smoothing.stage: {backbone.name} has no stages, so it must be null, got {smoothing.stage}"
        )
    stages = len(dass.VARIANTS[backbone.variant].depths)
    if smoothing.stage >= stages:
        raise ConfigError(
            f"smoothing.stage: dass {backbone.variant} has stages 0 to {stages - 1}, got {smoothing.stage}"
        )


def build_backbone(
    config: BackboneConfig, smoothing: SmoothingConfig, num_classes: int, input_shape: tuple[int, int]
) -> DASS | AST:
    """The network for log-mels of `input_shape` (frames, mels), with its pretrained weights if it has any.

    Raises ConfigError when smoothing or input do not fit the network, PretrainedError when weights do not.
    """
    check_smoothing(config, smoothing)
    backbone = _build(config, smoothing, num_classes)
    try:
        backbone.grid(*input_shape)
    except ValueError as error:
        raise ConfigError(f"features: {error}") from error
    if config.pretrained is not None:
        report = load_pretrained(backbone, config.pretrained)
        log.info("%s  layout %s  SHA-256 %s", report.path, report.layout, report.sha256)
    return backbone


def _build(config: BackboneConfig, smoothing: SmoothingConfig, num_classes: int) -> DASS | AST:
    if config.name == "ast":
        size = ast.VARIANTS[config.variant]
        return AST(size.dim, size.depth, size.heads, size.mlp_dim, num_classes)
    variant = dass.VARIANTS[config.variant]
    drop_path_rate = variant.drop_path_rate if config.drop_path_rate is None else config.drop_path_rate
    return DASS(
        variant.depths,
        variant.dims,
        num_classes=num_classes,
        drop_path_rate=drop_path_rate,
        smoothing=None if smoothing.stage is None else smoothing,
        scan_engine=config.scan_engine,
    )
