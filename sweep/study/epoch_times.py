"""How long the epochs of each configuration take, counted as they are reported."""

from __future__ import annotations

import numpy as np


class EpochTimes:
    """An entry for each configuration: the epochs that its units reported, and the seconds that these took.

    The seconds of a unit's first epoch hold the start of its worker as well. What a worker trained after its last report
    and lost with its device is left out, and so are epochs that a worker trained again, as no checkpoint held them.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._seconds = np.zeros(16)
        self._epochs = np.zeros(16, dtype=np.int64)
        self.longest = 0.0
        """Seconds of the longest epoch since the present driver began; 0 while it has heard of none."""

    @property
    def seconds(self) -> np.ndarray:
        """Seconds for which devices were held for the reported epochs, (configurations,)."""
        return self._seconds[: self._rows]

    @property
    def epochs(self) -> np.ndarray:
        """Number of epochs reported, over all seeds, (configurations,)."""
        return self._epochs[: self._rows]

    def begin(self) -> None:
        """Take note that a driver takes the study up, perhaps on other machines."""
        self.longest = 0.0

    def add(self) -> None:
        """Add a configuration that has no epochs yet."""
        if self._rows == len(self._seconds):
            self._seconds = np.concatenate([self._seconds, np.zeros_like(self._seconds)])
            self._epochs = np.concatenate([self._epochs, np.zeros_like(self._epochs)])
        self._rows += 1

    def count_epoch(self, row: int, seconds: float) -> None:
        """Count an epoch that took so many seconds."""
        self._seconds[row] += max(0.0, seconds)
        self._epochs[row] += 1
        self.longest = max(self.longest, seconds)

    def count_end(self, row: int, seconds: float) -> None:
        """Count the seconds between a unit's last epoch and its end."""
        self._seconds[row] += max(0.0, seconds)
