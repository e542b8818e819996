"""A study as a table: configurations with all their seeds by mean score, then the others with the reason."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from sweep.board import Board, Configuration, State


def leaderboard(board: Board, *, rows: int | None = None) -> Table:
    """Table of the best `rows` configurations (None: all); rates in percent, mean ± sd over seeds."""
    fields = list(
        dict.fromkeys(field for configuration in board.configurations for field in configuration.values)
    )
    table = Table(title=None, header_style="bold", caption=_caption(board), caption_justify="left")
    for column in ("rank", "no."):
        table.add_column(column, justify="right")
    for column in ("score %", "sensitivity %", "specificity %", "seeds"):
        table.add_column(column, justify="right", no_wrap=True)
    for field in fields:
        table.add_column(field.replace(".", ".\n").replace("_", "_\n"))
    table.add_column("state", no_wrap=True)
    ranking = board.ranking()
    rest = sorted(
        (configuration for configuration in board.configurations if configuration not in ranking),
        key=lambda configuration: -_so_far(configuration),
    )
    for rank, configuration in enumerate([*ranking, *rest][:rows], start=1):
        table.add_row(
            str(rank) if configuration in ranking else "",
            str(configuration.number),
            *(_percent(configuration, rate) for rate in ("score", "sensitivity", "specificity")),
            str(len(configuration.units_in(State.FINISHED))),
            *(
                written(configuration.values[field]) if field in configuration.values else ""
                for field in fields
            ),
            _state(configuration, board),
        )
    return table


def written(value: Any) -> str:
    """A searched value as people write it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | list):
        return "+".join(written(item) for item in value) or "none"
    return "none" if value is None else str(value)


def _so_far(configuration: Configuration) -> float:
    summary = configuration.summary()
    if summary is not None:
        return summary.mean
    scores = [report["score"] for unit in configuration.units.values() for report in unit.curve]
    return max(scores, default=-1.0) - 1


def _percent(configuration: Configuration, rate: str) -> str:
    summary = configuration.summary(rate)
    if summary is None:
        return ""
    return f"{100 * summary.mean:.1f}" + ("" if summary.sd is None else f" ± {100 * summary.sd:.1f}")


def _state(configuration: Configuration, board: Board) -> str:
    for unit in configuration.units.values():
        if unit.state is State.PRUNED:
            return f"pruned, epoch {len(unit.curve)}"
        if unit.state is State.FAILED:
            return f"failed, seed {unit.seed}"
    return "complete" if configuration.complete(board.seeds) else "running"


def failures(board: Board) -> list[str]:
    """A line for each failed unit: which one, and the first line of why."""
    return [
        f"{unit.id} failed: {(unit.reason or '').splitlines()[0]}"
        for unit in board.units()
        if unit.state is State.FAILED
    ]


def _caption(board: Board) -> str:
    units = board.units()
    count = {state: sum(unit.state is state for unit in units) for state in State}
    return (
        f"{len(board.configurations)} configurations; units: {count[State.FINISHED]} finished, "
        f"{count[State.PRUNED]} pruned, {count[State.FAILED]} failed. Scores: held-out patients of the "
        "official training part, where always answering normal scores 50 %; the test part was not read."
    )
