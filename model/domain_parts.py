"""The parts of a recipe for losses that know devices and patients: SG-SCL and PAFA. Free of torch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from pydantic import Field

from data.settings import Config, ConfigError

Reversal = Literal["constant", "ramp"]

DOMAIN_WEIGHTS = (
    "device_contrast.weight",
    "device_contrast.adversarial_weight",
    "patient_alignment.cohesion_weight",
    "patient_alignment.alignment_weight",
)
"""Fields of a recipe that switch on a loss that knows devices or patients."""


class DeviceContrastConfig(Config):
    """Features that know, or do not know, the device: a contrast over devices, a classifier to deceive (SG-SCL)."""

    weight: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="of the supervised contrast over devices beside cross-entropy, 1 in SG-SCL (arXiv 2312.09603); "
        "0: off",
    )
    temperature: float = Field(default=0.06, gt=0, le=1000, description="divides the cosine similarities")
    views: int = Field(
        default=2,
        ge=1,
        le=2,
        description="2: each batch goes through the network again under other masks, without a gradient, and is "
        "contrasted too, as in SG-SCL; 1: the batch alone, without that pass",
    )
    reversed: bool = Field(
        default=False,
        description="false: the network brings cycles of one device together, which is what SG-SCL's code does; true: "
        "its gradient is reversed, so that it keeps devices from being told apart",
    )
    adversarial_weight: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="of the cross-entropy of a device classifier whose gradient reaches the network reversed, 1 in "
        "the domain-adversarial runs beside SG-SCL; 0: off",
    )
    reversal: Reversal = Field(
        default="constant",
        description="of reversed gradients: constant, whole from the first step; ramp, 2 / (1 + exp(-10 p)) - 1 of "
        "them, p being the share of the training that is done (arXiv 1505.07818)",
    )

    @property
    def is_on(self) -> bool:
        """Whether anything here is trained with."""
        return self.weight > 0 or self.adversarial_weight > 0


class PatientAlignmentConfig(Config):
    """Features of one patient together, patients apart, and all of them around one centre (PAFA, arXiv 2505.23834)."""

    cohesion_weight: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="of scatter within patients / distances between their centroids, beside cross-entropy: 5 (AST) "
        "and 50 (BEATs) in PAFA; 0: off",
    )
    alignment_weight: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="of the mean squared distance from patients' centroids to their centre, beside cross-entropy: "
        "0.005 (AST) and 0.001 (BEATs) in PAFA; 0: off",
    )

    @property
    def is_on(self) -> bool:
        """Whether anything here is trained with."""
        return self.cohesion_weight > 0 or self.alignment_weight > 0


def domain_weights(device: DeviceContrastConfig, patient: PatientAlignmentConfig) -> list[tuple[str, float]]:
    """List the weights of the losses that are on, by their paths in a recipe."""
    weights = (
        device.weight,
        device.adversarial_weight,
        patient.cohesion_weight,
        patient.alignment_weight,
    )
    return [(name, weight) for name, weight in zip(DOMAIN_WEIGHTS, weights, strict=True) if weight]


def asking(on: Sequence[tuple[str, float]]) -> str:
    """Begin a sentence with weights that are on: `patient_alignment.cohesion_weight 5 asks`."""
    named = " and ".join(f"{name} {weight:g}" for name, weight in on)
    return f"{named} {'ask' if len(on) > 1 else 'asks'}"


def check_whole_cycles(device: DeviceContrastConfig, patient: PatientAlignmentConfig, alpha: float) -> None:
    """Raise ConfigError when mixup, by `alpha`, makes cycles of two patients and devices for losses that want one."""
    on = domain_weights(device, patient)
    if alpha and on:
        raise ConfigError(
            f"{asking(on)} whose breath a cycle is and what recorded it, and with mixup.alpha {alpha:g} it is of two "
            f"patients and devices; set mixup.alpha or {'these weights' if len(on) > 1 else 'the weight'} to 0"
        )


def check_several_origins(
    device: DeviceContrastConfig,
    patient: PatientAlignmentConfig,
    devices: Collection[str],
    patients: Collection[int],
    where: str,
) -> None:
    """Raise ConfigError when devices or patients are to be told apart, and all cycles of `where` come from one.

    `devices` and `patients`: those that any of these cycles come from.
    """
    wrong = []
    for name, _ in domain_weights(device, patient):
        kind, found = ("device", devices) if name.startswith("device") else ("patient", patients)
        if len(found) < 2:
            wrong.append(
                f"{name}: tells {kind}s apart, and all cycles of {where} come from one {kind} "
                f"({', '.join(map(str, found)) or 'none'}); set it to 0, or take recordings of several {kind}s"
            )
    if wrong:
        raise ConfigError("\n".join(wrong))
