"""Shipped study files hold what their headers promise: each is played, and its numbers compared with the header's."""

import re
from itertools import takewhile
from pathlib import Path
from statistics import fmean

import pytest

from sweep.config.study_config import read_study
from sweep.simulation.made_up_curves import SyntheticCurves, WorldConfig
from sweep.simulation.simulated_study import simulate_study
from sweep.study.board import Board

SHIPPED = sorted((Path(__file__).parents[3] / "search_spaces").glob("*.yaml"))
ABOUT = 0.1
"""By what share a mean over some worlds may lie off a number that a header calls `about`."""


def header(path: Path) -> str:
    """The comment with which a study file opens, as one line."""
    opening = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    return " ".join(line.removeprefix("#").strip() for line in opening)


def played(path: Path, repeats: int) -> list[Board]:
    """Play the study on two workers in so many worlds."""
    config = read_study(path)
    return [
        simulate_study(config, SyntheticCurves(WorldConfig(), config.space, repeat), 2, repeat=repeat).board
        for repeat in range(repeats)
    ]


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_study_plays_as_many_units_as_its_header_says(shipped: Path) -> None:
    text = header(shipped)
    (configurations,) = re.findall(r"(\d+) configurations", text)
    ((about, units),) = re.findall(r"(about )?(\d+) units", text)
    (whose,) = re.findall(r"five seeds (each|to the best)", text)
    # Where all get all seeds, no world changes a count.
    boards = played(shipped, repeats=1 if whose == "each" else 4 if int(configurations) > 20 else 8)
    assert {len(board.configurations) for board in boards} == {int(configurations)}
    assert {len(board.seeds) for board in boards} == {5}
    mean = fmean(board.started for board in boards)
    assert mean == pytest.approx(int(units), rel=ABOUT if about else 0)
    for board in boards:
        complete = len(board.ranking())
        assert (
            complete == len(board.configurations)
            if whose == "each"
            else 2 <= complete < len(board.configurations)
        )
