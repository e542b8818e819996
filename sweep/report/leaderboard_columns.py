"""Which columns a leaderboard may have, and what stands in each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from evidence.objectives import TITLES
from sweep.report.board_in_words import state_of
from sweep.report.chosen_columns import BoardColumn, Row
from sweep.report.field_names import short_name
from sweep.report.searched_values import written
from sweep.study.board import Board, last_epoch_metrics, shown_metrics
from sweep.study.comparison import comparison_of
from sweep.study.units import Configuration, State

EPOCHS = "epochs_trained", "epochs"
"""A searched field `epochs` comes first."""
NUMBER, CHANCE = ("configuration",), ("probability_best",)


def board_columns(
    board: Board, objectives: tuple[str, ...] = ("score",), marks: Mapping[int, tuple[str, ...]] | None = None
) -> list[BoardColumn]:
    """List the columns that a leaderboard may have; the last ones are shown only when they are named.

    There is a column for the sharpness of last weights where units have reported it; the flattest come first by it.
    """
    compared = comparison_of(board)
    fields = list(dict.fromkeys(field for one in board.configurations for field in one.values))
    metrics = list(dict.fromkeys((board.metric, "score", "sensitivity", "specificity")))
    front = set(board.scores.front(objectives)) if len(objectives) > 1 else set()

    def rank(row: Row) -> str:
        tied = compared is not None and compared.is_tied(row[1].number)
        return ("" if row[0] is None else str(row[0])) + ("=" if tied else "")

    def state(row: Row) -> str:
        number = row[1].number
        aside = [*(["Pareto front"] if number in front else []), *(marks or {}).get(number, ())]
        return ", ".join([state_of(row[1], board), *aside])

    def chance(row: Row) -> float | None:
        found = math.nan if compared is None else float(compared.probability_best[row[1].number])
        return None if math.isnan(found) else found

    def probability(row: Row) -> str:
        return "" if (found := chance(row)) is None else f"{100 * found:.0f}"

    def epochs(row: Row) -> int:
        return sum(len(unit.curve) for unit in row[1].units.values())

    def finished(row: Row) -> int:
        return len(row[1].units_in(State.FINISHED))

    return [
        BoardColumn("rank", (), rank, lambda row: row[0], ("rank", "tied")),
        BoardColumn("no.", NUMBER, lambda row: str(row[1].number), lambda row: row[1].number, NUMBER),
        *(_rate_column(metric) for metric in metrics),
        BoardColumn("seeds", (), lambda row: str(finished(row)), finished, ("seeds",), falls=True),
        *(_field_column(field, fields) for field in fields),
        *(_plain_column(metric) for metric in last_epoch_metrics(board)),
        BoardColumn("state", (), state, state, ("state", "point"), right=False),
        *(_rate_column(metric, asked=True) for metric in shown_metrics(board) if metric not in metrics),
        BoardColumn(
            "epochs trained", EPOCHS, lambda row: str(epochs(row)), epochs, EPOCHS[:1], asked=True, falls=True
        ),
        BoardColumn("P(best) %", CHANCE, probability, chance, CHANCE, asked=True, falls=True),
    ]


def _rate_column(metric: str, *, asked: bool = False) -> BoardColumn:
    return BoardColumn(
        f"{TITLES.get(metric, metric)} %",
        (metric,),
        lambda row: _percent(row[1], metric),
        lambda row: None if (found := row[1].summary(metric)) is None else found.mean,
        (metric, f"{metric}_sd"),
        falls=True,
        asked=asked,
    )


def _plain_column(metric: str) -> BoardColumn:
    """Make a column of a number that is no rate, mean ± sd over the finished seeds."""

    def cell(row: Row) -> str:
        summary = row[1].summary(metric)
        if summary is None:
            return ""
        return f"{summary.mean:.3g}" + ("" if summary.sd is None else f" ± {summary.sd:.2g}")

    return BoardColumn(
        metric,
        (),
        cell,
        lambda row: None if (found := row[1].summary(metric)) is None else found.mean,
        (metric, f"{metric}_sd"),
    )


def _field_column(field: str, fields: Sequence[str]) -> BoardColumn:
    return BoardColumn(
        short_name(field, fields),
        (field,),
        lambda row: written(row[1].values[field], field) if field in row[1].values else "",
        lambda row: row[1].values.get(field),
        (field,),
        right=False,
        below=True,
    )


def _percent(configuration: Configuration, metric: str) -> str:
    summary = configuration.summary(metric)
    if summary is None:
        last = [unit.curve[-1].get(metric) for unit in configuration.units.values() if unit.curve]
        return "" if not last or last[-1] is None else f"({100 * last[-1]:.1f})"
    return f"{100 * summary.mean:.1f}" + ("" if summary.sd is None else f" ± {100 * summary.sd:.1f}")
