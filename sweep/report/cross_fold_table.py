"""Finalists on all folds of patients, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from data.quantities import counted
from evidence.cross_folds import tied_with_first
from evidence.objectives import OBJECTIVES, TITLES


def cross_fold_table(numbers: Mapping[str, Any], objective: str, searched_fold: int) -> Table:
    """Make a table of finalists, best first, given their numbers (`evidence.cross_folds`); rates in percent.

    Beside the rank, = marks those that cannot be told from the first on these patients and others like them.
    `searched_fold`: by whose patients the search chose them.
    """
    metric = next(metric for name, metric in OBJECTIVES.items() if name == objective)
    configurations, ranking = numbers["configurations"], numbers["ranking"]
    tied = set(tied_with_first(dict(numbers)))
    folds = configurations[str(ranking[0])]["folds"]
    table = Table(
        header_style="bold",
        caption=_caption(numbers, metric, searched_fold, len(tied)),
        caption_justify="left",
    )
    names = ("rank", "no.", f"{TITLES[metric]} %", "95 %", "P(best) %", "worst fold")
    for column in (*names, *(f"fold {fold}" for fold in folds)):
        table.add_column(column, justify="right", no_wrap=True)
    for rank, number in enumerate(ranking, start=1):
        found = configurations[str(number)]
        probability = found["probability_best"]
        table.add_row(
            f"{rank}{'=' if number in tied else ''}",
            str(number),
            _rate(found[metric]),
            _between(found["patient_interval"]),
            "" if probability is None else f"{100 * probability:.0f}",
            found["worst_fold"] or "",
            *(_rate(found["folds"][fold]) for fold in folds),
        )
    return table


def _caption(numbers: Mapping[str, Any], metric: str, searched_fold: int, tied: int) -> str:
    folds = numbers["configurations"][str(numbers["ranking"][0])]["folds"].values()
    patients, cycles = (sum(fold[what] for fold in folds) for what in ("patients", "cycles"))
    seeds = numbers["configurations"][str(numbers["ranking"][0])][metric]["seeds"]
    marked = f" = is tied with the first at 5 % ({counted(tied, 'configuration')})." if tied else ""
    return (
        f"{counted(len(numbers['ranking']), 'finalist')} on all folds: {counted(patients, 'patient')}, "
        f"{counted(cycles, 'cycle')}, each validated once by each of {counted(seeds, 'seed')}, and scored together. "
        f"The 95 % interval is over other patients and other seeds.{marked} They became finalists on fold "
        f"{searched_fold}, where they are flattered; the other folds had no share in that, nor has the test part in any "
        "of this."
    )


def _rate(found: Mapping[str, Any]) -> str:
    if found["mean"] is None:
        return "none"
    return f"{100 * found['mean']:.1f}" + ("" if found["sd"] is None else f" ± {100 * found['sd']:.1f}")


def _between(interval: list[float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
