"""Whether a first seed is stopped on its curve, and what is said of it then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from evidence.objectives import TITLES
from sweep.study.board import Board
from sweep.study.units import Configuration, Unit


class Pruner(Protocol):
    """Decides from its validation curve whether a first seed is stopped (`sweep.search.epoch_pruner.EpochPruner`)."""

    def report(self, configuration: Configuration, epoch: int, score: float) -> bool:
        """Hear the latest epoch of a first seed; True when it is to be stopped."""
        ...

    def held_against(self, configuration: Configuration) -> str:
        """Say against what the epoch was held for which `report` has just answered True; empty where nobody knows."""
        ...

    def end(self, configuration: Configuration) -> None:
        """Learn how a first seed ended, if it is over; changes nothing when that is known."""
        ...

    def restore(self, board: Board) -> None:
        """Learn what an earlier driver has heard."""
        ...


def why_pruned(board: Board, pruner: Pruner, objectives: Sequence[str], unit: Unit) -> str | None:
    """Hear the latest epoch of a first seed, and say why the seed is to be stopped; None while it goes on.

    Where a study has several objectives it goes on unless a finished configuration is better in each of them than its
    curve ever was.
    """
    configuration, metric, last = board.configurations[unit.configuration], board.metric, unit.curve[-1]
    if not pruner.report(configuration, last["epoch"], last[metric]):
        return None
    if len(objectives) > 1 and not _is_dominated(board, objectives, unit):
        return None
    now, best = last[metric], max(past[metric] for past in unit.curve)
    reason = (
        f"pruned at epoch {last['epoch']}: {TITLES[metric]} {100 * now:.1f} %, its best {100 * best:.1f} %"
    )
    against = pruner.held_against(configuration)
    return f"{reason}; {against}" if against else reason


def _is_dominated(board: Board, objectives: Sequence[str], unit: Unit) -> bool:
    bests = [max(report[name] for report in unit.curve) for name in objectives]
    return board.scores.dominates(objectives, bests)
