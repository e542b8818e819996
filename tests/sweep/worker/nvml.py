"""NVIDIA's management library as a machine with some GPUs would answer it, for tests without any."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace


class NVMLError(Exception):
    """As raised by nvidia-ml-py."""


@dataclass
class Card:
    """A GPU. `mig`: MIG's mode, None of one that does not know it; `slices`: names and bytes of MIG's devices.

    `uuid`: by default that of a slice of this name.
    """

    name: str | bytes = "NVIDIA A100-SXM4-40GB"
    memory: int = 40 * 2**30
    mode: int | None = 0
    mig: int | None = 0
    slices: list[tuple[str, int]] = field(default_factory=list)
    uuid: str | bytes | None = None


@dataclass
class FakeNVML:
    """What `sweep.worker.gpu_facts` asks of `pynvml`, answered for some cards, or for a machine without a driver."""

    cards: list[Card]
    driver: bool = True
    open: int = 0
    NVMLError = NVMLError
    NVML_COMPUTEMODE_DEFAULT = 0
    NVML_COMPUTEMODE_EXCLUSIVE_THREAD = 1
    NVML_COMPUTEMODE_PROHIBITED = 2
    NVML_COMPUTEMODE_EXCLUSIVE_PROCESS = 3
    NVML_DEVICE_MIG_ENABLE = 1

    def nvmlInit(self) -> None:
        if not self.driver:
            raise NVMLError("Driver Not Loaded")
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Card:
        return self.cards[index]

    def nvmlDeviceGetName(self, handle: Card) -> str | bytes:
        return handle.name

    def nvmlDeviceGetUUID(self, handle: Card) -> str | bytes:
        return f"MIG-{handle.name}" if handle.uuid is None else handle.uuid

    def nvmlDeviceGetMemoryInfo(self, handle: Card) -> SimpleNamespace:
        return SimpleNamespace(total=handle.memory)

    def nvmlDeviceGetComputeMode(self, handle: Card) -> int:
        if handle.mode is None:
            raise NVMLError("Not Supported")
        return handle.mode

    def nvmlDeviceGetMigMode(self, handle: Card) -> list[int]:
        if handle.mig is None:
            raise NVMLError("Not Supported")
        return [handle.mig, handle.mig]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Card) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Card, index: int) -> Card:
        if index >= len(handle.slices):
            raise NVMLError("Not Found")
        name, memory = handle.slices[index]
        return Card(name, memory)
