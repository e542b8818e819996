"""Probabilities of cycles as they are kept: in 16 bits, with the answer that they had in 32."""

from __future__ import annotations

import numpy as np

UNIT_ROUNDOFF = 2.0**-11
"""Largest relative error of a number that is rounded to 16 bits."""


def rounded(probabilities: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Round probabilities, (cycles, classes), to float16 such that the largest of each row is that of its answer.

    `answers`, (cycles,), holds the class that each cycle was given. Where rounding makes another class as probable, or
    more, that class's number is lowered to just below. So scores computed from what is kept are those of the network.
    """
    kept = probabilities.astype(np.float16)
    own = np.arange(len(kept)), answers
    rivals = kept >= kept[own][:, None]
    rivals[own] = False
    below = np.nextafter(kept[own], np.float16(-1.0), dtype=np.float16)
    return np.where(rivals, below[:, None], kept)


def answers_of(probabilities: np.ndarray) -> np.ndarray:
    """Take the most probable class of each cycle, given (cycles, classes)."""
    return probabilities.argmax(axis=1)


def check_probabilities(probabilities: np.ndarray, cycles: int, classes: int) -> None:
    """Raise ValueError for anything but float16 probabilities of that many cycles and classes."""
    if probabilities.dtype != np.float16 or probabilities.shape != (cycles, classes):
        raise ValueError(
            f"expected float16 of shape ({cycles}, {classes}), got {probabilities.dtype} of {probabilities.shape}"
        )
    wide = probabilities.astype(np.float64)
    if not np.isfinite(wide).all() or wide.min(initial=0.0) < 0 or wide.max(initial=0.0) > 1.0:
        raise ValueError("numbers that are no probabilities")
    off = np.abs(wide.sum(axis=1) - 1).max(initial=0.0)
    if off > 4 * classes * UNIT_ROUNDOFF:
        raise ValueError(f"probabilities of a cycle that sum to {1 + off:.3f} or {1 - off:.3f} instead of 1")
