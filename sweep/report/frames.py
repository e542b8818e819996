"""A study as pandas tables. Rates are fractions; a searched field has a column of its own, named by its dotted path."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from evidence.cross_folds import tied_with_first
from sweep.report.board_in_words import state_of
from sweep.report.chosen_columns import chosen_columns, sorted_rows
from sweep.report.leaderboard import best_first
from sweep.report.leaderboard_columns import board_columns
from sweep.simulation.simulate import Simulation
from sweep.study.board import Board, last_epoch_metrics, shown_metrics
from sweep.study.comparison import comparison_of
from sweep.study.score_table import METRICS
from sweep.study.units import Configuration, State


def leaderboard_frame(
    board: Board,
    objectives: tuple[str, ...] = ("score",),
    marks: Mapping[int, tuple[str, ...]] | None = None,
    columns: Sequence[str] | None = None,
    sort: str | None = None,
) -> pd.DataFrame:
    """Make a table of configurations, best first, a row each.

    Columns: `rank` (missing without all seeds), `configuration` (its number), mean and sample standard deviation of each
    metric over the finished seeds (`score`, `score_sd`, ...; NaN where there are too few; `harmonic_score` where that is
    the objective, `sharpness` where the recipe asks for it), `seeds` (how many finished), `state`, `tied` (ranked, and
    not told from the best at 5 %, the best included; missing where that is unknown),
    `probability_best` (NaN without a score), `epochs_trained` (of all seeds), with `marks` `point` (`paper's point` or
    `baseline`, as `sweep.report.special_points` finds them), with two objectives `pareto` (on their front), then the
    searched fields.

    `columns` and `sort` choose and order as those of `sweep.report.leaderboard.leaderboard`, by the same names.
    """
    compared = comparison_of(board)
    tied = None if compared is None else compared.tied
    front = set(board.scores.front(objectives)) if len(objectives) > 1 else None
    metrics = (*shown_metrics(board), *last_epoch_metrics(board))
    known = board_columns(board, objectives)
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
            "epochs_trained": sum(len(unit.curve) for unit in configuration.units.values()),
            **({} if marks is None else {"point": ", ".join(marks.get(configuration.number, ()))}),
            **({} if front is None else {"pareto": configuration.number in front}),
            **configuration.values,
        }
        for rank, configuration in sorted_rows(best_first(board), known, sort)
    ]
    measured = [column for metric in metrics for column in (metric, f"{metric}_sd")]
    first = [
        "rank",
        "configuration",
        *measured,
        "seeds",
        "state",
        "tied",
        "probability_best",
        "epochs_trained",
    ]
    frame = _frame(rows, first).astype({"rank": "Int64", "tied": "boolean", "probability_best": float})
    if not columns:
        return frame
    chosen = [name for column in chosen_columns(known, columns) for name in column.data if name in frame]
    return frame.filter(items=list(dict.fromkeys(chosen)))


def cross_fold_frame(numbers: Mapping[str, Any], metric: str) -> pd.DataFrame:
    """Make a table of finalists on all folds of patients, best first, given their numbers (`evidence.cross_folds`).

    Columns: `rank`, `configuration` (its number), mean and sample standard deviation over the seeds of `metric`, which
    ranks, `low` and `high` (95 % interval over other patients and seeds; NaN where there is none), `probability_best`,
    `tied` (not told from the first; itself included), `worst_fold`, and `fold_0` and so on: the mean on that fold.
    """
    tied = {numbers["ranking"][0], *tied_with_first(dict(numbers))}
    rows = []
    for rank, number in enumerate(numbers["ranking"], start=1):
        found = numbers["configurations"][str(number)]
        low, high = found["patient_interval"] or (math.nan, math.nan)
        rows.append(
            {
                "rank": rank,
                "configuration": number,
                metric: found[metric]["mean"],
                f"{metric}_sd": found[metric]["sd"],
                "low": low,
                "high": high,
                "probability_best": found["probability_best"],
                "tied": None if found["probability_best"] is None else number in tied,
                "worst_fold": None if found["worst_fold"] is None else int(found["worst_fold"]),
                **{f"fold_{fold}": of_fold["mean"] for fold, of_fold in found["folds"].items()},
            }
        )
    kinds = {"probability_best": float, "tied": "boolean", "worst_fold": "Int64"}
    return pd.DataFrame(rows).astype(kinds)


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
