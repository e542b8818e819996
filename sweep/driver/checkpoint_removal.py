"""Frees the disk of units that are over: `best.yaml` trains again, and the weights of losers do not matter."""

from __future__ import annotations

import shutil
from pathlib import Path

from sweep.folder.mirror import Mirror
from sweep.study.board import Board
from sweep.study.events import Event, UnitEnded
from sweep.study.units import unit_id


class CheckpointRemoval:
    """Removes the checkpoints of units as they end. A listener of the study."""

    def __init__(self, units: Path, mirror: Mirror | None) -> None:
        """`units`: the folder of all checkpoints. With a `mirror` they lie on an object store, and it removes them."""
        self._units = units
        self._mirror = mirror
        self._removed: set[str] = set()

    def __call__(self, event: Event) -> None:
        if isinstance(event, UnitEnded):
            self._remove(unit_id(event.configuration, event.seed))

    def remove_leftovers(self, board: Board) -> None:
        """Remove checkpoints of units that had ended before an earlier driver died and could remove them."""
        for unit in board.units():
            if unit.over:
                self._remove(unit.id)

    def remove_again(self) -> None:
        """Remove what workers saved while their units were stopped. To be called when no worker is left."""
        for unit in tuple(self._removed):
            self._remove(unit)

    def _remove(self, unit: str) -> None:
        self._removed.add(unit)
        if self._mirror is not None:
            self._mirror.remove_checkpoints(unit)
        else:
            shutil.rmtree(self._units / unit, ignore_errors=True)
