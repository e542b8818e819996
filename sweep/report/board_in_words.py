"""What a board comes to, in words: how a configuration stands, which units failed, why there is no best one."""

from __future__ import annotations

from collections import Counter

from data.errors import one_line
from data.quantities import counted
from sweep.study.board import Board
from sweep.study.units import Configuration, Fate, State

MOST_NOTES = 5
"""Different notes of units that are shown to people."""


def state_of(configuration: Configuration, board: Board) -> str:
    """Say in a word or two how a configuration stands: `complete`, `running`, `pruned, epoch 3`."""
    fate = configuration.fate(board.seeds)
    for unit in configuration.units.values():
        if unit.state is State.PRUNED:
            return f"pruned, epoch {len(unit.curve)}"
        if unit.state is State.FAILED:
            return f"failed, seed {unit.seed}"
    if fate is not Fate.OPEN:
        return str(fate)
    return "running" if configuration.units_in(State.RUNNING) else "open"


def failures(board: Board) -> list[str]:
    """Say for each failed unit which it is, and the first line of the reason."""
    return [
        f"{unit.id} failed: {reason}"
        for unit in board.units()
        for reason, _, _ in [(unit.reason or "").partition("\n")]
        if unit.state is State.FAILED
    ]


def notes_of_units(board: Board) -> list[tuple[str, int]]:
    """Count for each note that units told beside their epochs how many told it; the most frequent first."""
    return Counter(note for unit in board.units() for note in unit.notes).most_common()


def notes_in_words(board: Board) -> list[str]:
    """Write a line for each of the most frequent notes of units: `told by 2 units: batches trained in 4 chunks, ...`."""
    return [
        f"told by {counted(units, 'unit')}: {one_line(note)}"
        for note, units in notes_of_units(board)[:MOST_NOTES]
    ]


def why_no_best(board: Board) -> str:
    """Say why no configuration is the best: how far the study is, how its units ended, and which failed first."""
    seeds = len(board.seeds)
    parts = [f"no configuration has finished all {seeds} seeds, so there is no best one"]
    if not board.drivers:
        parts.append("the study has not begun")
    elif board.stopped != "over":
        stand = "is not over" if board.stopped is None else f"was stopped ({board.stopped})"
        done = max((len(each.units_in(State.FINISHED)) for each in board.configurations), default=0)
        parts.append(f"the study {stand}: the furthest configuration has {done} of {seeds}")
    else:
        counts = ", ".join(f"{count} {state}" for state, count in sorted(board.ended.items()))
        parts.append(f"units: {counts or 'none'}")
    return "; ".join([*parts, *failures(board)[:1]])
