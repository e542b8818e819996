"""Seeds for each use of chance, derived from the run's seed, so that no use shifts another."""

import hashlib

import torch


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Derive a 63-bit seed for one purpose, e.g. `derive_seed(3, "batches", epoch)`; the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, (seed, *purpose))).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """Make a CPU generator for one purpose. Draws are made on the CPU so that they are equal on every device."""
    return torch.Generator().manual_seed(derive_seed(seed, *purpose))


def seed_torch(device: torch.device, seed: int, *purpose: str | int) -> None:
    """Seed for one purpose torch's own generators, of the CPU and of `device`, from which layers draw.

    Not by `torch.manual_seed`, which on a machine whose GPUs are not in use notes for each kind of them where it was
    called from, and keeps that for as long as the process lives.
    """
    derived = derive_seed(seed, *purpose)
    torch.default_generator.manual_seed(derived)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(derived)
