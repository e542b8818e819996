"""When failures and deaths of units halt a study: what all units need is broken then, and not the units."""

from __future__ import annotations

from sweep.study.blame import outlived
from sweep.study.board import Board
from sweep.study.nodes import UnitKey

FAILURES_IN_A_ROW = 10
"""After so many failures it is not the configurations that are wrong: a broken GPU, say, or a disk that is away."""


class FailuresInARow:
    """Counts units that fail, and deaths of units, with nothing between them that comes on."""

    def __init__(self) -> None:
        self._failed = 0
        """Units that failed since the last one that finished or was pruned."""
        self._failed_before: dict[UnitKey, int] = {}
        """How many of these failed before the last epoch of each unit that has not failed."""
        self._lifetimes: list[float] = []
        """How long units had lived that died since the last epoch was ended."""

    def note_epoch(self, unit: UnitKey) -> None:
        """Take note that a unit ended an epoch."""
        self._failed_before[unit] = self._failed
        self._lifetimes.clear()

    def note_end(self) -> None:
        """Take note that a unit finished, or was pruned."""
        self._failed = 0
        self._failed_before.clear()

    def note_failure(self, unit: UnitKey, reason: str) -> str | None:
        """Take note that a unit failed; says why the study is to be halted, if it is."""
        self._failed += 1
        self._failed_before.pop(unit, None)
        in_a_row = self._failed - max(self._failed_before.values(), default=0)
        if in_a_row < FAILURES_IN_A_ROW:
            return None
        last, _, _ = reason.partition("\n")
        return f"{in_a_row} units failed one after the other, at last: {last}"

    def note_death(self, board: Board, lived: float, reason: str, now: float) -> str | None:
        """Take note that a unit died after `lived` seconds; says why the study is to be halted, if it is.

        It is not while a running unit has outlived those that died.
        """
        self._lifetimes.append(lived)
        count = len(self._lifetimes)
        if count < FAILURES_IN_A_ROW or outlived(board.running.values(), max(self._lifetimes), now):
            return None
        last, _, _ = reason.partition("\n")
        return f"{count} times a unit died, and no epoch was ended meanwhile; at last: {last}"
