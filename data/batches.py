"""Cycles ready for training, and the order in which an epoch visits them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from data.origins import Origins
from data.placement import CPU, copy_that_fits, gather, indexed, read_ahead, send
from data.recipe_parts import BatchSamplerConfig
from data.settings import ConfigError


@dataclass(frozen=True)
class Examples:
    """Cycles to train or score on: rows of a table of normalised log-mels, and their labels.

    `features` is the whole table in the number format it is stored in: host memory, or a memory map, whose pages all
    processes of a machine share. Cycle i is `features[rows[i]]` (without `rows`: `features[i]`); its label is a
    position in the labels of the task, of which 0 is normal (`data.task`). `origins` says whose breath each is and what
    recorded it, where that is known. All of this lies on the CPU; batches come out on `device`. Examples taken from
    others, or moved, share the table and its `copies` on devices.

    Where `embedded`, the table holds an encoder's pooled features, (table, width), in place of log-mels.
    """

    features: Float[Tensor, "table frames mels"] | Float[Tensor, "table width"]
    labels: Int[Tensor, " cycles"]
    rows: Int[Tensor, " cycles"] | None = None
    origins: Origins | None = None
    device: torch.device = CPU
    ahead: bool = False
    copies: dict[torch.device, Tensor] = field(default_factory=dict, repr=False, compare=False)
    embedded: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    def table(self) -> Float[Tensor, "cycles *cycle"]:
        """Copy the features of these cycles, in their order, on the CPU, in the number format they are stored in."""
        return self.features.clone() if self.rows is None else self.features.index_select(0, self.rows)

    @cached_property
    def moments(self) -> tuple[Float[Tensor, " *cycle"], Float[Tensor, " *cycle"]]:
        """Mean and deviation of each feature over these cycles, float64; computed once."""
        features = self.table().double()
        mean = features.mean(dim=0)
        # Not torch.std, which goes through a table column by column and takes ten times as long.
        return mean, (features - mean).square().mean(dim=0).sqrt()

    def digest(self) -> str:
        """SHA-256 (hex) of the cycles, in their order: features in the number format of the table, and labels."""
        found = hashlib.sha256(f"{self.features.dtype} {tuple(self.features.shape[1:])}".encode())
        rows = torch.arange(len(self)) if self.rows is None else self.rows
        for some in rows.split(64):
            found.update(self.features[some].contiguous().view(torch.uint8).numpy().tobytes())
        found.update(self.labels.contiguous().view(torch.uint8).numpy().tobytes())
        return found.hexdigest()

    def take(self, cycles: Int[Tensor, " taken"]) -> Examples:
        """Select some of these examples, in the order of `cycles`."""
        rows = cycles if self.rows is None else self.rows[cycles]
        origins = None if self.origins is None else self.origins.take(cycles)
        return replace(self, labels=self.labels[cycles], rows=rows, origins=origins)

    def to(self, device: torch.device | str, share: float = 1.0, *, ahead: bool = False) -> Examples:
        """Have batches come out on `device`, of whose memory this process may use a `share` (a fraction).

        The table is copied there if it fits and no copy is there yet; if not, or with `ahead`, batches are read ahead.
        Examples that are on `device` already stay as they are, so a caller who knows the share can decide first.
        """
        device = indexed(device)
        if device == self.device and not ahead:
            return self
        if not ahead and device not in self.copies:
            table = copy_that_fits(self.features, device, share)
            if table is not None:
                self.copies[device] = table
        return replace(self, device=device, ahead=ahead or device not in self.copies)

    def batches(
        self, order: Sequence[Int[Tensor, " _"]]
    ) -> Iterator[tuple[Float[Tensor, "_ *cycle"], Int[Tensor, " _"]]]:
        """Yield features (float32) and labels of each batch; `order` holds positions among these examples."""
        if not order:
            return
        sizes = [len(positions) for positions in order]
        positions = torch.cat(list(order))
        rows = (positions if self.rows is None else self.rows[positions]).split(sizes)
        labels = send(self.labels[positions], self.device).split(sizes)
        if self.ahead:
            features = read_ahead(self.features, rows, self.device)
        else:
            features = gather(self.copies.get(self.device, self.features), rows)
        yield from zip(features, labels, strict=True)


def epoch_batches(
    labels: Int[Tensor, " cycles"], batch_size: int, config: BatchSamplerConfig, generator: torch.Generator
) -> list[Int[Tensor, " batch"]]:
    """Draw the row indices of each batch of one epoch from the CPU `generator`.

    Raises ConfigError when there are no full batches to draw.
    """
    cycles = len(labels)
    if cycles == 0 or (config.drop_last and cycles < batch_size):
        raise ConfigError(
            f"batch_size: at most the number of training cycles ({cycles}) when drop_last, got {batch_size}"
        )
    if config.name == "weighted":
        order = _weighted_order(labels, config.power, generator)
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
