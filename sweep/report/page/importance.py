"""How much each searched field matters, on all configurations that have a score, with an interval."""

from __future__ import annotations

from typing import Any

from sweep.config.search_space import SearchSpace
from sweep.search.importance import importance_intervals, importances
from sweep.study.board import Board
from sweep.study.units import Configuration


def field_importance(board: Board, space: SearchSpace) -> dict[str, Any]:
    """Compute the share of each field and its 90 % interval over other configurations, and on how many that rests.

    A configuration counts with its mean score over the seeds that finished, be it one; a pruned one with the score of
    its last epoch, which is low enough for what is asked: who is among the best. Without enough configurations the list
    is empty.
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
