"""How much each searched field matters, on all configurations that have a score, with an interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.quantities import listed
from sweep.config.search_space import SearchSpace
from sweep.search.importance import count_best, importance_intervals, importances
from sweep.study.board import Board
from sweep.study.units import Configuration

FEW = 5
"""Configurations among the best below which shares are said to rest on few; Optuna's manual asks for so many."""


def field_importance(board: Board, space: SearchSpace) -> dict[str, Any]:
    """Compute the share of each field and its 90 % interval over other configurations, and on how many that rests.

    A configuration counts with its mean score over the seeds that finished, be it one; a pruned one with the score of
    its last epoch, which is low enough for what is asked: who is among the best. Without enough configurations the list
    is empty. `best`: how many count as the best, whom the fields are to tell from the rest; 0 without shares.
    """
    points, scores = [], []
    for configuration in board.configurations:
        score = score_so_far(configuration, board.metric)
        if score is not None:
            points.append(configuration.values)
            scores.append(score)
    shares = importances(space.parameters, points, scores)
    ends = importance_intervals(space.parameters, points, scores) if shares else {}
    return {
        "configurations": len(points),
        "best": count_best(scores) if shares else 0,
        "shares": [
            {"path": path, "share": round(share, 4), "interval": [round(end, 4) for end in ends[path]]}
            for path, share in sorted(shares.items(), key=lambda item: -item[1])
        ],
    }


def score_so_far(configuration: Configuration, metric: str) -> float | None:
    """Mean of a metric over the seeds that finished; of a configuration without one that of its last epoch."""
    summary = configuration.summary(metric)
    if summary is not None:
        return summary.mean
    return max((unit.curve[-1][metric] for unit in configuration.units.values() if unit.curve), default=None)


def importance_finding(facts: Mapping[str, Any]) -> str:
    """Say which field tells the best configurations from the rest, how many those are, and how sure that is."""
    found = facts["importance"]
    shares, number, best = found["shares"], found["configurations"], found["best"]
    if not shares:
        return f"Too few configurations with different scores ({number}) to say which field matters."
    names = {parameter["path"]: parameter["name"] for parameter in facts["parameters"]}
    first, *others = shares
    low = first["interval"][0]
    unsure = [names[one["path"]] for one in others if one["interval"][1] > low]
    also = f", but {listed(unsure)} may matter as much" if unsure else ""
    return (
        f"{names[first['path']]} parts the best tenth, here {best} of {number}, from the rest most: "
        f"{100 * first['share']:.0f} % of what fields tell (PED-ANOVA; bars: 90 % over other configurations){also}."
        f"{_few(best)}"
    )


def _few(best: int) -> str:
    """Warn of shares that rest on few configurations."""
    if best >= FEW:
        return ""
    rests = "one configuration" if best == 1 else f"{best} configurations"
    more = "one more good one may change it, and a field with a share of 0 may matter as well"
    return f" All this rests on {rests}: {more}."
