"""Frees the disk of units that are over; the weights of those that may win, and of the winner, stay."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from sweep.folder.mirror import Mirror
from sweep.study.board import Board
from sweep.study.events import ConfigurationDropped, Event, UnitEnded
from sweep.study.units import Configuration, Fate, State, Unit
from sweep.worker.unit_results import WEIGHTS


class UnitRemoval:
    """Removes the checkpoints of units as they end, and the weights of configurations that cannot win. A listener.

    A finished unit keeps its weights while its configuration is open, or has failed and may be forgiven, and as long as
    it is the best of those that are complete. Of a configuration that wins only after seeds were added, the weights of
    the earlier seeds are gone. What the disk does not let go of stays: that disturbs no study.
    """

    def __init__(self, board: Board, units: Path, mirror: Mirror | None) -> None:
        """Free the folder `units`. With a `mirror` the files lie on an object store, and the mirror removes them."""
        self._board = board
        self._units = units
        self._mirror = mirror
        self._ended: dict[str, Unit] = {}
        self._best: int | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, UnitEnded):
            self._remove(self._board.unit(event.configuration, event.seed))
        if isinstance(event, UnitEnded | ConfigurationDropped):
            self._remove_losers(event.configuration)

    def remove_leftovers(self) -> None:
        """Remove files of units that had ended before an earlier driver died and could remove them."""
        for unit in self._board.units():
            if unit.over:
                self._remove(unit)

    def remove_again(self) -> None:
        """Remove what workers saved while their units were stopped. To be called when no worker is left."""
        for unit in tuple(self._ended.values()):
            self._remove(unit)

    def _remove_losers(self, changed: int) -> None:
        """Remove the weights of a configuration that has changed, and of the best one before, if they cannot win now."""
        best = self._best_one()
        number = None if best is None else best.number
        before, self._best = self._best, number
        for loser in {changed, before} - {None, number}:
            assert loser is not None
            for unit in self._board.configurations[loser].units.values():
                if unit.over:
                    self._remove(unit)

    def _remove(self, unit: Unit) -> None:
        self._ended[unit.id] = unit
        keep = unit.state is State.FINISHED and self._may_win(unit.configuration)
        if self._mirror is not None:
            self._mirror.remove_unit(unit.id, keep=WEIGHTS if keep else None)
        elif not keep:
            shutil.rmtree(self._units / unit.id, ignore_errors=True)
        else:
            for path in (self._units / unit.id).glob("*"):
                if path.name != WEIGHTS:
                    # A server of NFS keeps what another machine has open.
                    with contextlib.suppress(OSError):
                        path.unlink()
            with contextlib.suppress(OSError):
                (self._units / unit.id).rmdir()

    def _best_one(self) -> Configuration | None:
        return self._board.best() if self._board.competes else None

    def _may_win(self, number: int) -> bool:
        fate = self._board.fate(number)
        best = self._best_one()
        # A failed one may be forgiven, and a finished seed is not trained again.
        return fate in (Fate.OPEN, Fate.FAILED) or (best is not None and best.number == number)
