"""Mel bands of spectrograms taken out, and put back among zeros."""

from __future__ import annotations

import functools

import torch
from jaxtyping import Float, Int
from torch import Tensor


def keep_bands(
    batch: Float[Tensor, "batch frames mels"], bands: tuple[int, ...] | None
) -> Float[Tensor, "batch frames kept"]:
    """Take `bands` of every spectrogram, in their order (None: all, and the batch itself is returned)."""
    return batch if bands is None else batch.index_select(2, _indices(bands, batch.device))


def among_zeros(
    kept: Float[Tensor, "batch frames kept"], bands: tuple[int, ...] | None, mels: int
) -> Float[Tensor, "batch frames mels"]:
    """Put `bands` back in their places among `mels` bands, of which all others are 0 (None: nothing is missing)."""
    if bands is None:
        return kept
    whole = kept.new_zeros(*kept.shape[:2], mels)
    return whole.index_copy(2, _indices(bands, kept.device), kept)


@functools.lru_cache(maxsize=16)
def _indices(bands: tuple[int, ...], device: torch.device) -> Int[Tensor, " kept"]:
    # Copied to a device once, as each copy waits for what the device has under way.
    return torch.tensor(bands, device=device)
