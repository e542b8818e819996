"""A study as pandas tables. Rates are fractions; a searched field has a column of its own, named by its dotted path."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sweep.report.leaderboard import best_first, state_of
from sweep.simulation.simulate import Simulation
from sweep.study.board import Board, shown_metrics
from sweep.study.comparison import comparison_of
from sweep.study.score_table import METRICS
from sweep.study.units import Configuration, State


def leaderboard_frame(board: Board, objectives: tuple[str, ...] = ("score",)) -> pd.DataFrame:
    """Make a table of configurations, best first, a row each.

    Columns: `rank` (missing without all seeds), `configuration` (its number), mean and sample standard deviation of each
    metric over the finished seeds (`score`, `score_sd`, ...; NaN where there are too few; `harmonic_score` where that is
    the objective), `seeds` (how many finished), `state`, `tied` (not told from the best at 5 %, the best included;
    missing where that is unknown),
    `probability_best` (NaN without a score), with two objectives `pareto` (on their front), then the searched fields.
    """
    compared = comparison_of(board)
    tied = None if compared is None else compared.tied
    front = set(board.scores.front(objectives)) if len(objectives) > 1 else None
    metrics = shown_metrics(board)
    rows = [
        {
            "rank": rank,
            "configuration": configuration.number,
            **_metrics(configuration, metrics),
            "seeds": len(configuration.units_in(State.FINISHED)),
            "state": state_of(configuration, board),
            "tied": None if tied is None else bool(tied[configuration.number]),
            "probability_best": math.nan
            if compared is None
            else float(compared.probability_best[configuration.number]),
            **({} if front is None else {"pareto": configuration.number in front}),
            **configuration.values,
        }
        for rank, configuration in best_first(board)
    ]
    measured = [column for metric in metrics for column in (metric, f"{metric}_sd")]
    columns = ["rank", "configuration", *measured, "seeds", "state", "tied", "probability_best"]
    return _frame(rows, columns).astype({"rank": "Int64", "tied": "boolean", "probability_best": float})


def curves_frame(board: Board) -> pd.DataFrame:
    """Make a table of learning curves, a row for each epoch of each unit.

    Columns: `configuration`, `seed`, `epoch` (from 1), the validation metrics, and whatever else training reported.
    """
    rows = [
        {"configuration": unit.configuration, "seed": unit.seed, **report}
        for unit in board.units()
        for report in unit.curve
    ]
    return _frame(rows, ["configuration", "seed", "epoch", *METRICS])


def units_frame(board: Board, now: float) -> pd.DataFrame:
    """Make a table of units, a row each.

    Columns: `configuration`, `seed`, `state`, `epochs` (trained), `selected_epoch` (whose metrics stand for the unit),
    `attempts`, `seconds` (for which a device was held; `now`: seconds since 1970, for what still runs), `reason` (why it
    was pruned, lost or failed).
    """
    rows = [
        {
            "configuration": unit.configuration,
            "seed": unit.seed,
            "state": str(unit.state),
            "epochs": len(unit.curve),
            "selected_epoch": None if unit.selected is None else unit.selected["epoch"],
            "attempts": len(unit.attempts),
            "seconds": unit.seconds(now),
            "reason": unit.reason,
        }
        for unit in board.units()
    ]
    columns = ["configuration", "seed", "state", "epochs", "selected_epoch", "attempts", "seconds", "reason"]
    return _frame(rows, columns).astype({"selected_epoch": "Int64"})


def simulation_frame(simulation: Simulation) -> pd.DataFrame:
    """Make a table of simulated studies, a row each.

    Columns: `repeat` (from 0), `stops` (False for the study that trains every seed to its end in the same world), then
    the fields of `sweep.simulation.simulate.Outcome`. Where the curves are from stands in `attrs["note"]`, and what an
    epoch is taken to last, from which `hours` follow, in `attrs["epoch_seconds"]`: None where epochs were timed.
    """
    arms = ((True, simulation.study), (False, simulation.yardstick))
    frame = pd.DataFrame(
        [
            {"repeat": repeat, "stops": stops, **vars(outcome)}
            for stops, outcomes in arms
            for repeat, outcome in enumerate(outcomes)
        ]
    )
    frame.attrs |= {"note": simulation.note, "epoch_seconds": simulation.epoch_seconds}
    return frame


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Make a table that has `columns` first, and has them without rows too."""
    others = dict.fromkeys(column for row in rows for column in row if column not in columns)
    return pd.DataFrame(rows, columns=pd.Index([*columns, *others]))


def _metrics(configuration: Configuration, metrics: Sequence[str]) -> Mapping[str, float | None]:
    found: dict[str, float | None] = {}
    for metric in metrics:
        summary = configuration.summary(metric)
        found[metric] = None if summary is None else summary.mean
        found[f"{metric}_sd"] = None if summary is None else summary.sd
    return found
