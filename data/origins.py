"""Whose breath each cycle is, and which device recorded it, for losses that look at either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from data.placement import send


@dataclass(frozen=True, eq=False)
class Origins:
    """Patient and device of each of some cycles.

    `patients` are the numbers of the data set; `devices` are positions in `device_names`, which stay the same when
    cycles are taken, so that a fold whose cycles lack a device counts the devices as the whole data set does.
    """

    patients: Int[Tensor, " cycles"]
    devices: Int[Tensor, " cycles"]
    device_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.patients)

    def take(self, cycles: Int[Tensor, " taken"]) -> Origins:
        """Select some of the cycles, in the order of `cycles`."""
        return Origins(self.patients[cycles], self.devices[cycles], self.device_names)

    def to(self, device: torch.device) -> Origins:
        """Send both to `device`, without waiting for what the device is doing."""
        return Origins(send(self.patients, device), send(self.devices, device), self.device_names)

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the devices that recorded any of these cycles."""
        return tuple(self.device_names[device] for device in self.devices.unique().tolist())


def origins_of(patients: Int[Tensor, " cycles"], devices: Sequence[str]) -> Origins:
    """Give the patients and the named devices of some cycles the form of `Origins`; names are sorted."""
    names = tuple(sorted(set(devices)))
    position = {name: index for index, name in enumerate(names)}
    places = torch.tensor([position[device] for device in devices], dtype=torch.int64)
    return Origins(patients, places, names)
