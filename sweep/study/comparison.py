"""What the scores of a study tell so far about its configurations (`evidence.comparison`)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from evidence.comparison import Comparison, compare
from sweep.study.board import Board
from sweep.study.units import State


def comparison_of(board: Board) -> Comparison | None:
    """Compare the configurations of a study by their scores so far; None while none has all seeds, or none competes.

    A score is here what the study ranks by (`Board.objective`).

    Only configurations with all their seeds are tied with the best. Scores of dropped and failed configurations count
    with the seeds that they got, in the deviation between seeds and in what is believed. Those that were pruned on their
    first curve count as worse than three quarters of those that were not.
    """
    ranking = board.scores.ranking()
    if not ranking or not board.competes:
        return None
    pruned = sum(bool(configuration.units_in(State.PRUNED)) for configuration in board.configurations)
    scores = np.ascontiguousarray(board.scores.ranked)
    return _compared(scores.tobytes(), scores.shape, tuple(ranking), pruned, board.metric)


@lru_cache(maxsize=8)
def _compared(
    content: bytes, shape: tuple[int, int], ranking: tuple[int, ...], pruned: int, metric: str
) -> Comparison:
    """Compare once for as long as no score comes: a table is drawn every second."""
    return compare(np.frombuffer(content).reshape(shape), ranking, pruned, metric)
