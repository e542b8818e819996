"""Settings of a frozen encoder and the head that is trained on its features. Free of torch."""

from __future__ import annotations

from pydantic import Field

from data.recipe_parts import SpecAugmentConfig, WaveformAugmentConfig
from data.settings import Config, ConfigError
from model.domain_parts import DeviceContrastConfig, PatientAlignmentConfig, domain_weights
from model.recipe_parts import BackboneConfig, PatchMixConfig


class FrozenConfig(Config):
    """Whether the backbone is a fixed encoder, and the head that is trained on its features (docs/systems.md).

    The encoder runs once over every cycle as it is, in evaluation mode; its pooled features are stored. The head
    standardises them by mean and deviation over the training cycles, and is all that is trained.
    """

    encoder: bool = Field(
        default=False,
        description="true: the weights of backbone.pretrained stay as they are, and only the head is trained",
    )
    hidden: int = Field(
        default=0,
        ge=0,
        le=65_536,
        description="width of the head's hidden layer, followed by a ReLU; 0: none, the head is linear",
    )
    dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="of what the head's last layer is given: hidden units, or standardised features",
    )


def check_frozen(
    frozen: FrozenConfig,
    backbone: BackboneConfig,
    patch_mix: PatchMixConfig,
    augment: SpecAugmentConfig,
    waveform_augment: WaveformAugmentConfig,
    device_contrast: DeviceContrastConfig,
    patient_alignment: PatientAlignmentConfig,
) -> None:
    """Raise ConfigError for settings that a frozen encoder leaves without effect, or that have none without one."""
    if not frozen.encoder:
        for name in ("hidden", "dropout"):
            if value := getattr(frozen, name):
                raise ConfigError(
                    f"frozen.{name}: belongs to the head on a frozen encoder, so it must be 0 unless frozen.encoder is "
                    f"true, got {value}"
                )
        return
    if backbone.is_own:
        raise ConfigError(
            f"frozen.encoder: {backbone.name} is a network of your own, which has no pretrained weights to keep; it "
            "must be false"
        )
    if backbone.pretrained is None:
        raise ConfigError(
            "frozen.encoder: features of random weights are not worth a search, so backbone.pretrained must name a "
            f"checkpoint: published weights, or those of a run of yours; got null{backbone.by_default('pretrained')}"
        )
    for name in ("drop_path_rate", "dropout"):
        if (value := getattr(backbone, name)) is not None:
            raise ConfigError(
                f"backbone.{name}: a frozen encoder drops nothing, so it must be null, got {value}; the head has "
                "frozen.dropout"
            )
    if backbone.lora is not None:
        raise ConfigError(
            "backbone.lora: low-rank pairs change the encoder, and a frozen one stays as it is, so it must be null"
        )
    if on := domain_weights(device_contrast, patient_alignment):
        raise ConfigError(
            "\n".join(
                f"{name}: shapes the encoder's features, which stay as they are, so it must be 0, got {weight:g}"
                for name, weight in on
            )
        )
    if patch_mix.axes:
        raise ConfigError(
            "patch_mix.axes: Patch-Mix teaches the encoder what its mixed inputs share, and a frozen one learns "
            f"nothing, so axes must be empty, got {', '.join(patch_mix.axes)}{patch_mix.by_default('axes')}"
        )
    if augment.is_on:
        raise ConfigError(
            "augment.probability: a frozen encoder hears each cycle once, as it is, so it must be 0, got "
            f"{augment.probability:g}{augment.by_default('probability')}; mixup.alpha mixes stored features"
        )
    if waveform_augment.is_on:
        raise ConfigError(
            "waveform_augment: a frozen encoder hears each cycle once, as it is, so gain and noise must be 0, got "
            f"{waveform_augment.gain:g} and {waveform_augment.noise:g}"
        )
