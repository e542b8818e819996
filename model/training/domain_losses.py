"""The heads and losses of a recipe that know devices and patients, as one module beside the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from data.origins import Origins
from model.device_contrast import DeviceClassifier, device_contrast_loss
from model.domain_parts import (
    DeviceContrastConfig,
    PatientAlignmentConfig,
    asking,
    check_several_origins,
    domain_weights,
)
from model.gradient_reversal import reversal_strength, reverse_gradient
from model.patient_alignment import PatientProjector, patient_losses
from model.projector import Projector
from model.training.epoch_metrics import TrainingError
from model.training.inputs import network_input
from model.training.recipe import Recipe
from model.training.seeds import derive_seed


class DomainLosses(nn.Module):
    """Losses over whose breath a cycle is and what recorded it, each with the head that it needs, if it is on.

    Every head's first weights come from a seed of its own, and the generator that all else draws from stays where it
    was: a loss that is switched on changes no draw of another part.
    """

    def __init__(
        self, device: DeviceContrastConfig, patient: PatientAlignmentConfig, dim: int, devices: int, seed: int
    ) -> None:
        """`dim`: width of the network's features; `devices`: how many there are in the data set."""
        super().__init__()
        self.device = device
        self.patient = patient
        if device.weight:
            with _drawing_from(seed, "device projector"):
                self.device_projector = Projector(dim)
        if device.adversarial_weight:
            with _drawing_from(seed, "device classifier"):
                self.device_classifier = DeviceClassifier(dim, devices)
        if patient.is_on:
            with _drawing_from(seed, "patient projector"):
                self.patient_projector = PatientProjector(dim)

    @property
    def needs_second_view(self) -> bool:
        """Whether a batch has to go through the network again, under other masks."""
        return self.device.weight > 0 and self.device.views == 2

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each loss that is on, beside the classification loss."""
        every = {
            "device_contrast": self.device.weight,
            "device_adversary": self.device.adversarial_weight,
            "patient_cohesion": self.patient.cohesion_weight,
            "patient_alignment": self.patient.alignment_weight,
        }
        return {name: weight for name, weight in every.items() if weight}

    def forward(
        self,
        features: Float[Tensor, "batch dim"],
        second_view: Float[Tensor, "batch dim"] | None,
        origins: Origins,
        reversal: float,
    ) -> dict[str, Float[Tensor, ""]]:
        """Compute the losses that are on, before their weights, of a batch's pooled features in float32 or better.

        `second_view`: features of the same cycles under other masks, which are projected and through which no gradient
        goes, as in SG-SCL's code; `reversal`: strength with which reversed gradients reach the network.
        """
        found: dict[str, Tensor] = {}
        if self.device.weight:
            seen = reverse_gradient(features, reversal) if self.device.reversed else features
            projected, devices = self.device_projector(seen), origins.devices
            if second_view is not None:
                again = self.device_projector(second_view).detach()
                projected, devices = torch.cat([projected, again]), devices.repeat(2)
            found["device_contrast"] = device_contrast_loss(projected, devices, self.device.temperature)
        if self.device.adversarial_weight:
            logits = self.device_classifier(reverse_gradient(features, reversal))
            found["device_adversary"] = functional.cross_entropy(logits, origins.devices)
        if self.patient.is_on:
            cohesion, alignment = patient_losses(self.patient_projector(features), origins.patients)
            found |= {"patient_cohesion": cohesion, "patient_alignment": alignment}
        return {name: found[name] for name in self.weights}


@dataclass(frozen=True, eq=False)
class DomainBatch:
    """What `DomainLosses` are to be told of one batch, on the batch's device.

    `second_inputs`: the batch under other masks, (batch, frames, mels), where they need it; see `DomainLosses.forward`.
    """

    losses: DomainLosses
    origins: Origins
    second_inputs: Float[Tensor, "batch frames mels"] | None
    reversal: float


def build_domain_losses(recipe: Recipe, origins: Origins | None, dim: int, seed: int) -> DomainLosses | None:
    """Build the losses over patients and devices that a recipe has on, on the CPU; None where it has none.

    `origins` are those of the training cycles, and `dim` is the width of the network's features. Raises TrainingError
    when origins are needed and not known, and ConfigError when devices or patients are to be told apart and all cycles
    come from one.
    """
    device, patient = recipe.device_contrast, recipe.patient_alignment
    on = domain_weights(device, patient)
    if not on:
        return None
    if origins is None:
        raise TrainingError(
            f"{asking(on)} whose breath a cycle is and what recorded it, which these training cycles do not say; give "
            f"Examples their origins (data.origins), or set {'these weights' if len(on) > 1 else 'the weight'} to 0"
        )
    patients = origins.patients.unique().tolist()
    check_several_origins(device, patient, origins.present, patients, "this run's training part")
    return DomainLosses(device, patient, dim, len(origins.device_names), seed)


def domain_batch(
    losses: DomainLosses,
    recipe: Recipe,
    origins: Origins | None,
    rows: Int[Tensor, " batch"],
    features: Float[Tensor, "batch frames mels"],
    masks: torch.Generator,
    progress: float,
) -> DomainBatch:
    """Collect what `losses` are to be told of the cycles in `rows`, whose stored log-mels are `features`.

    The masks of a second view are drawn from `masks`; `progress` is the share of the training that is done (0 to 1).
    """
    assert origins is not None, "checked by build_domain_losses"
    second = network_input(features, recipe, masks) if losses.needs_second_view else None
    strength = reversal_strength(recipe.device_contrast.reversal, progress)
    return DomainBatch(losses, origins.take(rows).to(features.device), second, strength)


@contextmanager
def _drawing_from(seed: int, purpose: str) -> Iterator[None]:
    """Within it, weights are drawn from a seed for this purpose; afterwards the CPU's generator is where it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(seed, purpose))
        yield
