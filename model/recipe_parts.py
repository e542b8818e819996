"""The parts of a recipe that say what is trained: backbone, smoothing, Patch-Mix. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from data.own_code import is_own
from data.recipe_parts import BandMode
from data.settings import Config, ConfigError
from model.lora_config import LoRAConfig, check_lora
from model.scan_engines import Engine
from model.variants import (
    AST_PATCH,
    AST_VARIANTS,
    BEATS_PATCH,
    BEATS_VARIANTS,
    CNN_TSA_VARIANTS,
    DASS_STRIDE,
    DASS_VARIANTS,
    Stem,
)

Attention = Literal["none", "input", "block1", "block2", "block3", "block4", "post"]
Hook = Literal["scan_input", "scan_output", "op_output", "block_output"]
Padding = Literal["zeros", "replicate", "reflect"]
Axis = Literal["time", "frequency", "cells"]
Form = Literal["reference", "paper", "paper_inverse"]
Negatives = Literal["all", "different_label"]
Reduction = Literal["mean", "sum"]
Pooling = Literal["mean", "mean_max", "token_mean"]
StageNumber = Annotated[int, Field(ge=0, le=100)]
PositionLayout = Literal["correct", "swapped"]

VARIANTS = {
    "dass": tuple(DASS_VARIANTS),
    "ast": tuple(AST_VARIANTS),
    "cnn_tsa": tuple(CNN_TSA_VARIANTS),
    "beats": tuple(BEATS_VARIANTS),
}
PUBLISHED_SIZES = {"dass": "medium", "ast": "base", "cnn_tsa": "four_blocks", "beats": "base"}
"""The variants with which the papers got their scores."""
POOLINGS: dict[str, tuple[Pooling, ...]] = {"dass": ("mean", "mean_max"), "ast": ("mean", "token_mean")}
ONLY = {
    "drop_path_rate": (("dass",), "has no drop path"),
    "scan_engine": (("dass",), "scans nothing"),
    "stem": (("dass",), "has one stem"),
    "pooling": (tuple(POOLINGS), "pools in a way of its own"),
    "attention": (("cnn_tsa",), "has no place for it to choose"),
    "dropout": (("cnn_tsa", "ast", "beats"), "has none"),
    "position_layout": (("ast",), "has no position table"),
    "lora": (("ast", "beats"), "has no transformer layers of ours"),
}
"""Fields of a backbone that some networks alone have, and what is to be said of the others."""

WHOLE_GRID = {
    "dass": "patch grid and its scans assume them",
    "ast": "patch grid and position table assume them",
    "beats": "patch grid and relative positions assume them",
}
"""Networks that bands may not be dropped in front of, and why."""


class BackboneConfig(Config):
    """Which network, how large, and from which weights it starts."""

    name: str = Field(
        default="dass",
        description="dass, ast, cnn_tsa, beats, or a network of your own as module:Class (docs/own_parts.md)",
    )
    variant: Literal["tiny", "small", "medium", "base", "three_blocks", "four_blocks"] | None = Field(
        default=None,
        description="dass: tiny, small, medium; ast: tiny, base; cnn_tsa: tiny, three_blocks, four_blocks; beats: "
        "tiny, base; when not given, the paper's: medium, base, four_blocks and base; null of a network of your own",
    )
    config: dict[str, JsonValue] = Field(
        default_factory=dict, description="what a network of your own is called with, by name"
    )
    drop_path_rate: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="of the last block, rising linearly; null: the variant's own (dass)",
    )
    stem: Stem | None = Field(
        default=None,
        description="dass: layer_norm, two strided convolutions, each normalised in every cell over its channels, as "
        "in published weights; batch_norm, the same, each channel normalised over batch and cells; conv_blocks, each "
        "mel band normalised over batch and time, then two convolutional blocks of cnn_tsa; null: the variant's own, "
        "conv_blocks for tiny and layer_norm for others",
    )
    pooling: Pooling = Field(
        default="mean",
        description="dass: of the last map, over its cells; mean_max: the sum of mean and maximum. ast: of the class "
        "and the distillation token; token_mean: of all tokens, these two included, with no layer norm before the "
        "classifier, as in AST + SAM",
    )
    pretrained: str | None = Field(
        default=None, description="checkpoint file, or hub id author/name; null: random initial weights"
    )
    scan_engine: Engine = Field(
        default="auto",
        description="dass: what computes the selective scan; auto: what is meant for the device, see respsweep doctor",
    )
    attention: Attention | None = Field(
        default=None,
        description="cnn_tsa: where time steps attend to each other: the input, the output of a block, post (what "
        "is pooled over frequency), or none of them; null: post",
    )
    dropout: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="cnn_tsa: after each block; null: the variant's own. ast and beats: of the pooled features, right "
        "before the linear classifier, 0.3 in AST + SAM; null: none",
    )
    position_layout: PositionLayout = Field(
        default="correct",
        description="ast: how the published position table is fitted to the input; swapped: as if time were frequency, "
        "which scrambles it, only to compare like with like with the published 59.55 and 62.37, which were reached so",
    )

    lora: LoRAConfig | None = Field(
        default=None,
        description="ast and beats, with pretrained weights: these stay as they are, and low-rank pairs beside them and "
        "the classifier are trained; null: all weights are",
    )

    @model_validator(mode="before")
    @classmethod
    def _has_a_size(cls, content: Any) -> Any:
        if isinstance(content, Mapping) and content.get("variant") is None:
            name = str(content.get("name", "dass"))
            return {**content, "variant": None if is_own(name) else PUBLISHED_SIZES.get(name, "medium")}
        return content

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in VARIANTS and not is_own(name):
            raise ValueError(
                f"must be one of {', '.join(VARIANTS)}, or a network of your own as module:Class, got {name!r}"
            )
        return name

    @field_validator("pretrained")
    @classmethod
    def _is_named(cls, pretrained: str | None) -> str | None:
        if pretrained is not None and not pretrained.strip():
            raise ValueError(
                f"must name a file or a hub id, or be null for random weights, got {pretrained!r}"
            )
        return pretrained

    @model_validator(mode="after")
    def _exists(self) -> BackboneConfig:
        if self.is_own:
            self._check_own()
        elif self.config:
            raise ValueError(
                f"config is for networks of your own, so it must be empty for {self.name}, got {self.config}"
            )
        elif self.variant not in VARIANTS[self.name]:
            raise ValueError(
                f"{self.name} has no variant {self.variant}; it has {', '.join(VARIANTS[self.name])}"
            )
        for field, (owners, reason) in ONLY.items():
            value, default = getattr(self, field), type(self).model_fields[field].default
            if self.name not in owners and value != default:
                got = "null" if value is None else value
                raise ValueError(f"{self.name} {reason}, so {field} must be {default or 'null'}, got {got}")
        if self.lora is not None:
            check_lora(self.lora, self.name, self.size, self.pretrained)
        poolings = POOLINGS.get(self.name, ("mean",))
        if self.pooling not in poolings:
            raise ValueError(f"pooling: {self.name} has {', '.join(poolings)}, got {self.pooling}")
        if self.name == "cnn_tsa" and (self.attention or "").startswith("block"):
            blocks = len(CNN_TSA_VARIANTS[self.size].channels)
            if int((self.attention or "").removeprefix("block")) > blocks:
                raise ValueError(
                    f"attention: cnn_tsa {self.variant} has block1 to block{blocks}, got {self.attention}"
                )
        return self

    @property
    def is_own(self) -> bool:
        """Whether this is a network of the user's own."""
        return is_own(self.name)

    @property
    def size(self) -> str:
        """The variant of a network that is none of the user's own."""
        assert self.variant is not None
        return self.variant

    @property
    def title(self) -> str:
        """Network and variant for people: dass medium."""
        return self.name if self.variant is None else f"{self.name} {self.variant}"

    def _check_own(self) -> None:
        for field in ("variant", "pretrained"):
            if (value := getattr(self, field)) is not None:
                raise ValueError(
                    f"{field}: {self.name} is a network of your own, which gets all it needs by config, so {field} must "
                    f"be null, got {value}"
                )


class SmoothingConfig(Config):
    """Gaussian low-pass on the feature maps of a DASS stage, or of several, always on (Lung-SRAD, section 3.4)."""

    stage: StageNumber | tuple[StageNumber, ...] | None = Field(
        default=2,
        description="which stage, or a list of several; 0 is nearest the spectrogram; null: no smoothing",
    )
    blocks: tuple[Annotated[int, Field(ge=0, le=1000)], ...] | None = Field(
        default=(2, 3),
        description="which blocks of a stage, from 0; those it lacks are passed over; all its blocks when "
        "none is left, and for null",
    )
    kernel_size: int = Field(default=5, ge=1, le=255, description="taps, in feature-map cells; odd")
    sigma: float = Field(default=3.0, gt=0, le=1000, description="standard deviation, in feature-map cells")
    hook: Hook = Field(
        default="scan_output",
        description="what is smoothed: scan_output, the merged scan before its norm; scan_input, the map "
        "before the scan; op_output, the state-space branch before it is added; block_output, their sum",
    )
    padding: Padding = Field(default="zeros", description="what the kernel finds beyond the map's border")

    @field_validator("stage")
    @classmethod
    def _are_several(cls, stage: int | tuple[int, ...] | None) -> int | tuple[int, ...] | None:
        if isinstance(stage, tuple) and (len(stage) < 2 or list(stage) != sorted({*stage})):
            raise ValueError(
                "a list must hold two stages or more, each once and in their order; one stage is a number, and none is "
                f"null; got {list(stage)}"
            )
        return stage

    @field_validator("kernel_size")
    @classmethod
    def _has_a_centre(cls, kernel_size: int) -> int:
        if kernel_size % 2 == 0:
            raise ValueError(f"must be odd to have a centre, got {kernel_size}")
        return kernel_size

    @property
    def stages(self) -> tuple[int, ...]:
        """The stages that are smoothed, none or more."""
        if self.stage is None:
            return ()
        return self.stage if isinstance(self.stage, tuple) else (self.stage,)

    def smooths(self, stage: int, block: int, depth: int) -> bool:
        """Whether block `block` of stage `stage`, which has `depth` blocks, is smoothed."""
        present = [index for index in self.blocks or () if index < depth]
        return stage in self.stages and (not present or block in present)


def check_smoothing(backbone: BackboneConfig, smoothing: SmoothingConfig) -> None:
    """Raise ConfigError when `smoothing` names a stage that the backbone lacks."""
    if not smoothing.stages:
        return
    named = ", ".join(map(str, smoothing.stages)) + smoothing.by_default("stage")
    if backbone.name != "dass":
        raise ConfigError(f"smoothing.stage: {backbone.name} has no stages, so it must be null, got {named}")
    stages = len(DASS_VARIANTS[backbone.size].depths)
    if max(smoothing.stages) >= stages:
        raise ConfigError(
            f"smoothing.stage: dass {backbone.variant} has stages 0 to {stages - 1}, got {named}"
        )


def check_band_mode(backbone: BackboneConfig, band_mode: BandMode | None) -> None:
    """Raise ConfigError when bands are to be dropped in front of a network that is made for all of them."""
    if band_mode == "drop" and backbone.name in WHOLE_GRID:
        raise ConfigError(
            f"features.band_mode: {backbone.name} needs all bands, as its {WHOLE_GRID[backbone.name]}; use fill, which "
            "puts zeros in place of those that are not kept, or null; got drop"
        )


def check_input(backbone: BackboneConfig, frames: int, mels: int) -> None:
    """Raise ConfigError when log-mels of `frames` times `mels` are smaller than the least cell of a network.

    A network of the user's own is asked when it is built.
    """
    if backbone.is_own:
        return
    if backbone.name == "cnn_tsa":
        least = 2 ** len(CNN_TSA_VARIANTS[backbone.size].channels)
    else:
        least = {"dass": DASS_STRIDE, "ast": AST_PATCH, "beats": BEATS_PATCH}[backbone.name]
    if min(frames, mels) < least:
        raise ConfigError(
            f"features: {backbone.title} needs at least {least} frames and {least} mel bands, "
            f"got {frames} and {mels}"
        )


class MixupConfig(Config):
    """Mixing of whole cycles of a batch, and of their losses, before the network sees them (arXiv 1710.09412)."""

    alpha: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="share of itself that a cycle keeps ~ Beta(alpha, alpha), drawn for each batch; 0: off",
    )


class PatchMixConfig(Config):
    """Contrastive learning against mixed copies of the batch (Lung-SRAD, section 3.5)."""

    axes: tuple[Axis, ...] = Field(
        default=("time", "frequency"), description="one mixed pass each; empty: plain cross-entropy"
    )
    temperature: float = Field(default=0.2, gt=0, le=1000, description="divides the cosine similarities")
    beta: float = Field(
        default=1.0,
        ge=-1000,
        le=1000,
        description="share kept ~ Beta(beta, beta); 0 or less: everything is kept",
    )
    form: Form = Field(default="reference", description="what is contrasted with what; see patch_mix_loss")
    reduction: Reduction = Field(default="mean", description="over the batch")
    negatives: Negatives = Field(default="all", description="which other samples the denominator holds")
    weight_time: float = Field(
        default=1.0, ge=0, le=1000, description="weight of the time pass beside cross-entropy"
    )
    weight_frequency: float = Field(
        default=1.0, ge=0, le=1000, description="weight of the frequency pass beside cross-entropy"
    )
    weight_cells: float = Field(
        default=1.0, ge=0, le=1000, description="weight of the pass with single cells mixed"
    )
    train_projector: bool = Field(default=True, description="false: the projector stays a fixed random map")

    @field_validator("axes")
    @classmethod
    def _names_an_axis_once(cls, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        if len(set(axes)) < len(axes):
            raise ValueError(f"each axis makes one mixed pass, so name it once; got {', '.join(axes)}")
        return axes

    def weight(self, axis: Axis) -> float:
        """Weight of the loss of the pass that is mixed along `axis`."""
        return {"time": self.weight_time, "frequency": self.weight_frequency, "cells": self.weight_cells}[
            axis
        ]
