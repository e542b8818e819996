"""A winner's score in plain words: that it was chosen for that score, and what to expect of it instead."""

from __future__ import annotations

from evidence.comparison import Comparison
from evidence.objectives import TITLES
from sweep.study.board import Board
from sweep.study.comparison import comparison_of


def luck_aside(board: Board) -> str:
    """Say in a few words what to expect of the best with other seeds, and why; empty where that is not known."""
    compared = comparison_of(board)
    expected = None if compared is None else compared.expectation(compared.best)
    if compared is None or expected is None:
        return ""
    points = f"{100 * abs(expected.luck):.1f} points"
    why = (
        f"as the best of {compared.chosen_among} its score is taken to be raised by luck, by {points}"
        if expected.luck >= 0
        else f"{points} more than its seeds came to, judged by all configurations together"
    )
    return f"with other seeds expect about {100 * expected.mean:.1f} %: {why}"


def what_to_expect(compared: Comparison, number: int) -> str:
    """Say in one sentence what the mean score of a configuration is, and what to expect with other seeds.

    Where the study ranks by something else than the score, that is named, and meant.
    """
    among = compared.chosen_among
    if among == 1:
        return f"No. {number} is the only configuration: nothing was chosen."
    score = TITLES[compared.metric]
    chosen = (
        f"No. {number} was chosen for its {score} among {among}"
        if number == compared.best
        else f"No. {number} is not the best of {among}"
    )
    expected = compared.expectation(number)
    if expected is None:
        return f"{chosen}; how much luck is in its {score} cannot be told: too few seeds, or seeds that are all equal."
    side = "high" if expected.luck >= 0 else "low"
    return (
        f"{chosen}; expected to be {100 * abs(expected.luck):.1f} points too {side}: with other seeds expect "
        f"{100 * expected.mean:.1f} % (95 %, luck taken off: {100 * expected.low:z.1f} to {100 * expected.high:.1f}) "
        "on these patients."
    )
