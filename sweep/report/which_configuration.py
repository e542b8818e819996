"""The configuration of a study that is meant: the best one, or the one of a number."""

from __future__ import annotations

from data.errors import UserError
from sweep.report.board_in_words import why_no_best
from sweep.study.board import Board
from sweep.study.units import Configuration


class NoConfigurationError(UserError):
    """A configuration that a study does not have, or that has not finished all seeds, or no best one yet."""


def which_configuration(board: Board, place: str, number: int | None = None) -> Configuration:
    """Find the configuration that has finished all seeds and is the best, or has that `number`.

    `place` names the study in messages. Raises NoConfigurationError, which says what there is instead.
    """
    ranking = board.ranking()
    if number is None:
        if not ranking:
            raise NoConfigurationError(f"{place}: {why_no_best(board)}")
        return ranking[0]
    if number not in range(len(board.configurations)):
        raise NoConfigurationError(
            f"{place}: there is no configuration {number} among its {len(board.configurations)}"
        )
    for configuration in ranking:
        if configuration.number == number:
            return configuration
    complete = ", ".join(str(one.number) for one in ranking) or "none"
    raise NoConfigurationError(
        f"{place}: configuration {number} has not finished all {len(board.seeds)} seeds; those that have: {complete}"
    )
