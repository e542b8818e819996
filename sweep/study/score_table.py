"""The metrics of a study's finished units as one table, grown as they come, so that a rule reads them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

METRICS = ("score", "sensitivity", "specificity", "any_abnormal_score")
"""What units report of every epoch."""
_COLUMNS = (*METRICS, "harmonic_score")


class ScoreTable:
    """A row for each configuration, a column for each seed; NaN where that seed has not finished."""

    def __init__(self, seeds: int) -> None:
        self.ranked_by = "score"
        """The metric by which rows are better or worse."""
        self._rows = 0
        self._scores = np.full((16, seeds, len(_COLUMNS)), np.nan)
        self._started = np.zeros(16, dtype=np.int64)
        self._open = np.ones(16, dtype=bool)

    def metric(self, name: str) -> np.ndarray:
        """Take one metric of every unit, (configurations, seeds)."""
        return self._scores[: self._rows, :, _COLUMNS.index(name)]

    @property
    def ranked(self) -> np.ndarray:
        """The metric of every unit by which rows are ranked, (configurations, seeds)."""
        return self.metric(self.ranked_by)

    def metrics(self, names: Sequence[str]) -> np.ndarray:
        """Take several metrics of every unit, (configurations, seeds, names)."""
        return self._scores[: self._rows][:, :, [_COLUMNS.index(name) for name in names]]

    @property
    def started(self) -> np.ndarray:
        """Number of seeds started, (configurations,)."""
        return self._started[: self._rows]

    @property
    def open(self) -> np.ndarray:
        """Whether a configuration was neither pruned, failed nor dropped, (configurations,)."""
        return self._open[: self._rows]

    def ranking(self) -> list[int]:
        """Rank the open rows with all seeds finished: best mean first, equal means by number."""
        scores = self.ranked
        if not scores.size:
            return []
        complete = np.flatnonzero(self.open & ~np.isnan(scores).any(axis=1))
        return complete[np.argsort(-scores[complete].mean(axis=1), kind="stable")].tolist()

    def leaders(self, count: int) -> list[int]:
        """Choose the best open rows by their mean so far."""
        scores = self.ranked
        finished = (~np.isnan(scores)).sum(axis=1)
        mean = np.nansum(scores, axis=1) / np.maximum(finished, 1)
        rows = np.flatnonzero(self.open & (finished > 0))
        return rows[np.argsort(-mean[rows], kind="stable")][:count].tolist()

    def front(self, names: Sequence[str]) -> list[int]:
        """Find the open, finished rows that no other such row matches in each of `names` and beats in one."""
        means = self.metrics(names).mean(axis=1)
        rows = np.flatnonzero(self.open & ~np.isnan(means).any(axis=1)).tolist()
        return [
            row
            for row in rows
            if not any((means[o] >= means[row]).all() and (means[o] > means[row]).any() for o in rows)
        ]

    def dominates(self, names: Sequence[str], values: Sequence[float]) -> bool:
        """Whether some row's mean is above `values` in each of `names`."""
        table = self.metrics(names)
        finished = ~np.isnan(table[:, :, 0])
        table = table[finished.any(axis=1)]
        return (
            bool((np.nanmean(table, axis=1) > np.asarray(values)).all(axis=1).any()) if len(table) else False
        )

    def add(self) -> None:
        if self._rows == len(self._scores):
            self._scores = np.concatenate([self._scores, np.full_like(self._scores, np.nan)])
            self._started = np.concatenate([self._started, np.zeros_like(self._started)])
            self._open = np.concatenate([self._open, np.ones_like(self._open)])
        self._rows += 1

    def widen(self, seeds: int) -> None:
        """Make room for further seeds."""
        rows, have, kinds = self._scores.shape
        self._scores = np.concatenate([self._scores, np.full((rows, seeds - have, kinds), np.nan)], axis=1)

    def start(self, row: int) -> None:
        self._started[row] += 1

    def fill(self, row: int, seed: int, metrics: Mapping[str, Any]) -> None:
        self._scores[row, seed] = [metrics.get(name, np.nan) for name in _COLUMNS]

    def close(self, row: int) -> None:
        """Close a row: no further seed of it starts."""
        self._open[row] = False

    def reopen(self, row: int) -> None:
        """Open a row that was closed."""
        self._open[row] = True
