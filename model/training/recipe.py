"""A recipe: everything one training run needs, and nothing else. Its defaults are Lung-SRAD's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from data.bands import KeptBands
from data.errors import as_read
from data.population import Population, covers, written
from data.recipe_parts import (
    BatchSamplerConfig,
    FeatureConfig,
    FoldConfig,
    SpecAugmentConfig,
    WaveformAugmentConfig,
)
from data.settings import Config, ConfigError, parse, read_yaml
from evidence.objectives import OBJECTIVES, Objective
from model.domain_parts import DeviceContrastConfig, PatientAlignmentConfig, check_whole_cycles
from model.frozen_parts import FrozenConfig, check_frozen
from model.recipe_parts import (
    WHOLE_GRID,
    BackboneConfig,
    MixupConfig,
    PatchMixConfig,
    SmoothingConfig,
    check_band_mode,
    check_input,
    check_smoothing,
)


class OptimiserConfig(Config):
    """How weights move. The defaults are those of Lung-SRAD's published runs."""

    name: Literal["adamw", "adam", "sgd"] = Field(default="adamw", description="which optimiser")
    learning_rate: float = Field(default=5e-5, gt=0, le=1000, description="before the schedule")
    weight_decay: float = Field(
        default=1e-6, ge=0, le=1000, description="decoupled for adamw, L2 for the others"
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="sgd only")
    clip_norm: float | None = Field(
        default=None, gt=0, le=1e6, description="largest global gradient norm; null: no clipping"
    )
    sam_rho: float = Field(
        default=0.0, ge=0, le=1000, description="radius of sharpness-aware minimisation; 0: off"
    )
    sam_adaptive: bool = Field(
        default=False, description="scale the radius by the weights; wants a rho about ten times larger"
    )
    weight_blend: float = Field(
        default=0.5, ge=0, lt=1, description="share of the previous weights kept after a step; 0: off"
    )
    warmup_epochs: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="first epochs in which the rate rises by equal steps towards learning_rate; 0: none",
    )
    schedule: Literal["cosine", "constant"] = Field(
        default="cosine", description="of the epochs after the warm-up"
    )
    final_fraction: float = Field(
        default=1e-3, ge=0, le=1, description="last learning rate / learning_rate (cosine)"
    )


class LossConfig(Config):
    """Cross-entropy on the clean pass, weighted, adjusted, smoothed or focused (`model.training.losses`)."""

    class_weights: Literal["none", "inverse_frequency"] = Field(
        default="none",
        description="inverse_frequency: cycles of the class to the minus class_weight_power, normalised to sum 1 over "
        "the classes",
    )
    class_weight_power: float = Field(
        default=1.0,
        ge=0,
        le=10,
        description="inverse_frequency: 1, every class weighs alike in all; 0, every cycle does",
    )
    logit_adjustment: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="log shares of the classes times this are added to the logits in training; 1 aims at the mean "
        "over classes of their accuracies, 0: off (arXiv 2007.07314)",
    )
    focal_gamma: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="a cycle's loss is scaled by (1 - probability of its class)^gamma; 0: off (arXiv 1708.02002)",
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="share spread over all classes; 0.1 in AST+SAM"
    )

    @model_validator(mode="after")
    def _is_defined(self) -> LossConfig:
        if self.focal_gamma and self.label_smoothing:
            raise ValueError(
                f"focal_gamma ({self.focal_gamma}) asks for the probability of a cycle's one class, and "
                f"label_smoothing ({self.label_smoothing}) gives it several; set one of them to 0"
            )
        return self


class Recipe(Config):
    """Typed, frozen settings of one training run.

    The defaults are the published Lung-SRAD run (arXiv 2606.11922, section 2.2, and the flags of its public script
    where the paper is silent): DASS-medium on 1024 x 128 log-mels, smoothing of stage 2 (blocks 2 and 3, K = 5,
    sigma = 3), dual-axis Patch-Mix with temperature 0.2, AdamW at 5e-5, batch 16, 50 epochs, weight blend 0.5.
    They differ from it in two ways, both on purpose: no pretrained weights are assumed, and the score is taken on
    patients held out of the training part, at the last epoch (`selection`), never on the test part.
    """

    backbone: BackboneConfig = BackboneConfig()
    frozen: FrozenConfig = FrozenConfig()
    smoothing: SmoothingConfig = SmoothingConfig()
    patch_mix: PatchMixConfig = PatchMixConfig()
    mixup: MixupConfig = MixupConfig()
    device_contrast: DeviceContrastConfig = DeviceContrastConfig()
    patient_alignment: PatientAlignmentConfig = PatientAlignmentConfig()
    features: FeatureConfig = FeatureConfig()
    augment: SpecAugmentConfig = SpecAugmentConfig()
    waveform_augment: WaveformAugmentConfig = WaveformAugmentConfig()
    folds: FoldConfig = FoldConfig()
    population: Population = Field(
        default="all",
        description="on whose cycles the network is trained, by age: all, child (under 18 years), adult, or [low, high] "
        "in years, without high; other than all, it must hold everybody of folds.population",
    )
    sampling: BatchSamplerConfig = BatchSamplerConfig()
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    batch_size: int = Field(
        default=16,
        ge=2,
        le=1_000_000,
        description="cycles a step; at least 2, for batch statistics and mixing, and no more than any data set has",
    )
    epochs: int = Field(default=50, ge=1, le=1_000_000, description="passes over the training cycles")
    selection: Literal["last", "best"] = Field(
        default="last",
        description="which epoch's validation score is the run's: the last, or the best one whose sensitivity "
        "is above `min_sensitivity`",
    )
    min_sensitivity: float = Field(
        default=0.05, ge=0, lt=1, description="guard of selection `best`, a fraction"
    )
    sharpness_rho: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="radius at which the sharpness of the last weights is measured on the validation cycles, once at "
        "the end of a run, 0.05 in SAM's paper; 0: not measured",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="auto: bf16 on CUDA, fp32 on CPU"
    )

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Recipe:
        check_smoothing(self.backbone, self.smoothing)
        check_frozen(
            self.frozen,
            self.backbone,
            self.patch_mix,
            self.augment,
            self.waveform_augment,
            self.device_contrast,
            self.patient_alignment,
        )
        check_band_mode(self.backbone, self.features.band_mode)
        check_input(self.backbone, *self.input_shape)
        if self.waveform_augment.is_on and self.features.norm != "audioset":
            why = (
                "norm beats has another scale, for which gain and noise are not worked out"
                if self.features.norm == "beats"
                else f"{self.features.norm}{self.features.by_default('norm')} scales each spectrogram by itself, so a "
                "gain changes nothing, and the power to which noise adds is not known any more"
            )
            raise ValueError(
                f"waveform_augment (gain {self.waveform_augment.gain:g}, noise {self.waveform_augment.noise:g}) needs "
                f"features.norm audioset: {why}"
            )
        if self.sampling.name == "weighted" and self.loss.class_weights != "none":
            raise ValueError(
                "sampling.name weighted and loss.class_weights inverse_frequency both correct the class balance; "
                "use one of them"
            )
        if self.sampling.name == "weighted" and self.loss.logit_adjustment:
            raise ValueError(
                f"sampling.name weighted and loss.logit_adjustment {self.loss.logit_adjustment} both correct the class "
                "balance, the latter by the shares of the classes before they are sampled; use one of them"
            )
        if self.mixup.alpha and self.patch_mix.axes and self.patch_mix.negatives == "different_label":
            raise ValueError(
                f"patch_mix.negatives different_label compares labels, and with mixup.alpha {self.mixup.alpha} a cycle "
                "has two; use negatives all, or alpha 0"
            )
        check_whole_cycles(self.device_contrast, self.patient_alignment, self.mixup.alpha)
        if not covers(self.population, self.folds.population):
            raise ValueError(
                f"population {written(self.population)} would be scored on patients whom it is not for, as "
                f"folds.population is {written(self.folds.population)}{self.folds.by_default('population')}; its "
                "score would say little of it, and nothing beside a network for all; "
                f"set folds.population: {written(self.population)}"
            )
        if self.optimiser.warmup_epochs >= self.epochs:
            raise ValueError(
                f"optimiser.warmup_epochs ({self.optimiser.warmup_epochs}) leaves no epoch at the full learning rate: "
                f"epochs is {self.epochs}{self.by_default('epochs')}"
            )
        return self

    @property
    def contrasts(self) -> str | None:
        """The first setting by which features are trained on beside the classification, and not logits alone."""
        settings = {
            "patch_mix.axes": self.patch_mix.axes,
            "device_contrast": self.device_contrast.is_on,
            "patient_alignment": self.patient_alignment.is_on,
        }
        return next((name for name, on in settings.items() if on), None)

    @property
    def fills_bands(self) -> bool:
        """Whether bands that are not kept are given to the network as zeros, rather than left out."""
        mode = self.features.band_mode or ("fill" if self.backbone.name in WHOLE_GRID else "drop")
        return mode == "fill"

    @property
    def input_shape(self) -> tuple[int, int]:
        """(frames, mel bands) of what the network sees, after the resize and without the bands that are dropped."""
        frames, mels = self.features.input_shape
        return frames, mels if self.dropped_to is None else len(self.dropped_to.indices)

    @property
    def dropped_to(self) -> KeptBands | None:
        """The bands that are left where others are dropped; None where the network sees all of them."""
        kept = self.features.kept_bands
        return None if kept is None or self.fills_bands else KeptBands(kept, self.features.n_mels)

    def digest(self) -> str:
        """SHA-256 over all settings, hex: equal recipes have equal digests."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def exported_objective(path: Path) -> Objective:
    """Read by what the recipe in an exported file was chosen, and so its epochs are; the score, in any other file.

    Raises ConfigError for an objective that there is none of.
    """
    provenance = read_yaml(path).get("provenance")
    objective = provenance.get("objective", "score") if isinstance(provenance, dict) else "score"
    if objective not in OBJECTIVES:
        raise ConfigError(
            f"{path}: provenance.objective: must be one of {', '.join(OBJECTIVES)}, got {as_read(objective)}"
        )
    return objective


def read_recipe(path: Path) -> Recipe:
    """Recipe in a YAML file: its fields at the top, or under `recipe:` beside the provenance of an exported one.

    Raises ConfigError naming file, field and what would be right.
    """
    content = read_yaml(path)
    if "recipe" in content:
        return parse(Recipe, {} if content["recipe"] is None else content["recipe"], f"{path}: recipe")
    return parse(Recipe, content, str(path))
