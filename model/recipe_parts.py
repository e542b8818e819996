"""The parts of a recipe that say what is trained: backbone, smoothing, Patch-Mix. Free of torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from data.settings import Config, ConfigError
from model.scan_engines import Engine
from model.variants import AST_VARIANTS, DASS_VARIANTS

Hook = Literal["scan_input", "scan_output", "op_output", "block_output"]
Padding = Literal["zeros", "replicate", "reflect"]
Axis = Literal["time", "frequency", "cells"]
Form = Literal["reference", "paper", "paper_inverse"]
Negatives = Literal["all", "different_label"]
Reduction = Literal["mean", "sum"]

VARIANTS = {"dass": tuple(DASS_VARIANTS), "ast": tuple(AST_VARIANTS)}


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


class SmoothingConfig(Config):
    """Gaussian low-pass on the feature maps of one DASS stage, always on (Lung-SRAD, section 3.4)."""

    stage: int | None = Field(
        default=2, ge=0, description="which stage; 0 is nearest the spectrogram; null: no smoothing"
    )
    blocks: tuple[int, ...] | None = Field(
        default=(2, 3),
        description="which blocks of the stage, from 0; those it lacks are passed over; all its blocks when "
        "none is left, and for null",
    )
    kernel_size: int = Field(default=5, ge=1, description="taps, in feature-map cells; odd")
    sigma: float = Field(default=3.0, gt=0, description="standard deviation, in feature-map cells")
    hook: Hook = Field(
        default="scan_output",
        description="what is smoothed: scan_output, the merged scan before its norm; scan_input, the map "
        "before the scan; op_output, the state-space branch before it is added; block_output, their sum",
    )
    padding: Padding = Field(default="zeros", description="what the kernel finds beyond the map's border")

    @field_validator("kernel_size")
    @classmethod
    def _has_a_centre(cls, kernel_size: int) -> int:
        if kernel_size % 2 == 0:
            raise ValueError(f"must be odd to have a centre, got {kernel_size}")
        return kernel_size

    @field_validator("blocks")
    @classmethod
    def _counts_from_zero(cls, blocks: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if blocks and min(blocks) < 0:
            raise ValueError(f"blocks count from 0, got {min(blocks)}")
        return blocks

    def smooths(self, stage: int, block: int, depth: int) -> bool:
        """Whether block `block` of stage `stage`, which has `depth` blocks, is smoothed."""
        present = [index for index in self.blocks or () if index < depth]
        return stage == self.stage and (not present or block in present)


def check_smoothing(backbone: BackboneConfig, smoothing: SmoothingConfig) -> None:
    """Raise ConfigError when `smoothing` names a stage that the backbone lacks."""
    if smoothing.stage is None:
        return
    if backbone.name != "dass":
        raise ConfigError(
            f"smoothing.stage: {backbone.name} has no stages, so it must be null, got {smoothing.stage}"
        )
    stages = len(DASS_VARIANTS[backbone.variant].depths)
    if smoothing.stage >= stages:
        raise ConfigError(
            f"smoothing.stage: dass {backbone.variant} has stages 0 to {stages - 1}, got {smoothing.stage}"
        )


class PatchMixConfig(Config):
    """Contrastive learning against mixed copies of the batch (Lung-SRAD, section 3.5)."""

    axes: tuple[Axis, ...] = Field(
        default=("time", "frequency"), description="one mixed pass each; empty: plain cross-entropy"
    )
    temperature: float = Field(default=0.2, gt=0, description="divides the cosine similarities")
    beta: float = Field(
        default=1.0, description="share kept ~ Beta(beta, beta); 0 or less: everything is kept"
    )
    form: Form = Field(default="reference", description="what is contrasted with what; see patch_mix_loss")
    reduction: Reduction = Field(default="mean", description="over the batch")
    negatives: Negatives = Field(default="all", description="which other samples the denominator holds")
    weight_time: float = Field(default=1.0, ge=0, description="weight of the time pass beside cross-entropy")
    weight_frequency: float = Field(
        default=1.0, ge=0, description="weight of the frequency pass beside cross-entropy"
    )
    weight_cells: float = Field(default=1.0, ge=0, description="weight of the pass with single cells mixed")
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
