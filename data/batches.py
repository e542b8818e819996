"""Cycles ready for training, and the order in which an epoch visits them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from data.config import Config, ConfigError


@dataclass(frozen=True)
class Examples:
    """Normalised log-mels and their labels (0 normal, 1 crackle, 2 wheeze, 3 both), on one device."""

    features: Float[Tensor, "cycles frames mels"]
    labels: Int[Tensor, " cycles"]

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> Examples:
        """The same examples on `device`."""
        return Examples(self.features.to(device), self.labels.to(device))


class SamplerConfig(Config):
    """How an epoch draws its cycles."""

    name: Literal["shuffle", "weighted"] = Field(
        default="shuffle", description="every cycle once, or draws with replacement that favour rare classes"
    )
    power: float = Field(
        default=1.0,
        ge=0,
        description="weighted: a class of n cycles is drawn n^(1-power) times as often; 1: all alike",
    )
    drop_last: bool = Field(
        default=True, description="leave out the last batch of an epoch when it is not full"
    )


def epoch_batches(
    labels: Int[Tensor, " cycles"], batch_size: int, config: SamplerConfig, generator: torch.Generator
) -> list[Int[Tensor, " batch"]]:
    """Row indices of each batch of one epoch, on the CPU, drawn from the CPU `generator`.

    Raises ConfigError when there are no full batches to draw.
    """
    cycles = len(labels)
    if cycles == 0 or (config.drop_last and cycles < batch_size):
        raise ConfigError(
            f"batch_size: at most the number of training cycles ({cycles}) when drop_last, got {batch_size}"
        )
    if config.name == "weighted":
        order = _weighted_order(labels.cpu(), config.power, generator)
    else:
        order = torch.randperm(cycles, generator=generator)
    batches = list(order.split(batch_size))
    if config.drop_last and len(batches[-1]) < batch_size:
        batches.pop()
    return batches


def _weighted_order(
    labels: Int[Tensor, " cycles"], power: float, generator: torch.Generator
) -> Int[Tensor, " cycles"]:
    counts = torch.bincount(labels).double()
    weights = counts[labels].pow(-power)
    return torch.multinomial(weights, len(labels), replacement=True, generator=generator)
