"""How far an epoch has come that may be paused before its end: its losses so far, and where its generators stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from model.training.seeds import generator, seed_torch
from model.training.step import Losses


@dataclass
class BegunEpoch:
    """How far an epoch has come: its steps, the sums of their losses, and where its generators stand.

    `masks`, `mixing` and `mixup` are states of generators on the CPU. `drop_path` is the state of the CPU's own
    generator and, on a GPU, of the device's after it. `seconds` are those spent before a pause.
    """

    masks: Tensor
    mixing: Tensor
    mixup: Tensor
    drop_path: list[Tensor] = field(default_factory=list)
    steps: int = 0
    skipped: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def fresh(cls, seed: int, epoch: int, device: torch.device) -> BegunEpoch:
        """Begin an epoch of a run: every generator, drop path's included, is seeded by run, purpose and epoch."""
        seed_torch(device, seed, "drop path", epoch)
        return cls(
            masks=generator(seed, "augment", epoch).get_state(),
            mixing=generator(seed, "patch-mix", epoch).get_state(),
            mixup=generator(seed, "mixup", epoch).get_state(),
        )

    def pause(self, device: torch.device, seconds: float) -> None:
        """Note where drop path's generators stand, and that `seconds` more were spent."""
        self.seconds += seconds
        self.drop_path = draws_of(device)

    def resume(self, device: torch.device) -> BegunEpoch:
        """Put drop path's generators back to where they stood at the pause, and the sums on the device."""
        set_draws(self.drop_path, device)
        self.sums = {name: value.to(device) for name, value in self.sums.items()}
        return self

    def add(self, losses: Losses, stepped: bool) -> None:
        self.steps += 1
        self.skipped += not stepped
        for name, value in losses.named.items():
            value = value.detach().float()
            self.sums[name] = self.sums[name] + value if name in self.sums else value

    def losses(self) -> dict[str, float]:
        """Mean of each loss over the steps so far."""
        return {name: float(value) / self.steps for name, value in self.sums.items()}


def draws_of(device: torch.device) -> list[Tensor]:
    """Copy the state of the CPU's own generator and, on a GPU, of the device's after it."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def set_draws(states: Sequence[Tensor], device: torch.device) -> None:
    """Put the generators back to states that `draws_of` copied."""
    torch.set_rng_state(states[0])
    if device.type == "cuda" and len(states) > 1:
        torch.cuda.set_rng_state(states[1], device)
