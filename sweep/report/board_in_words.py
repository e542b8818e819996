"""What a board comes to, in words: how a configuration stands, which units failed, why there is no best one."""

from __future__ import annotations

from sweep.study.board import Board
from sweep.study.units import Configuration, Fate, State


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
