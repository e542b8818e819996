import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from data.settings import ConfigError
from sweep.config.study_config import StudyConfig
from sweep.simulation.recorded_curves import RecordedCurves, RecordedStudy
from sweep.simulation.study_curves import curves_of_board
from sweep.study.board import Board
from sweep.study.events import (
    ConfigurationAdded,
    Event,
    StudyStarted,
    UnitFailed,
    UnitFinished,
    UnitPruned,
)
from sweep.study.score_table import METRICS
from tests.sweep.histories import reported, timed

BETAS = np.linspace(0.2, 2.0, 400).tolist()


def at(number: int) -> dict[str, Any]:
    return {"patch_mix.beta": BETAS[number]}


def scores(curve: np.ndarray) -> list[float]:
    return curve[:, METRICS.index("score")].tolist()


def board_of(
    finished: Mapping[tuple[int, int], Sequence[float]],
    pruned: Mapping[tuple[int, int], Sequence[float]] = {},
    failed: Mapping[tuple[int, int], Sequence[float]] = {},
) -> Board:
    """Scores of units by configuration and seed; an epoch takes 10 s."""
    units = {**finished, **pruned, **failed}
    seeds = tuple(sorted({seed for _, seed in units}))
    events: list[Event] = [StudyStarted(seeds)]
    events += [ConfigurationAdded(number, at(number)) for number in sorted({number for number, _ in units})]
    for key, curve in units.items():
        events += timed(*reported(*key, *curve), start=100.0, apart=10.0)
        if key in finished:
            events.append(UnitFinished(*key, len(curve), at=900.0))
        elif key in pruned:
            events.append(UnitPruned(*key, "behind", at=900.0))
        else:
            events.append(UnitFailed(*key, "the loss is NaN", at=900.0))
    return Board(events=events)


def recorded(board: Board, epochs: int) -> RecordedCurves:
    search = {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}}
    config = StudyConfig.model_validate({"recipe": {"epochs": epochs}, "search": search})
    return RecordedCurves(RecordedStudy(curves_of_board(board, config, "first")), 0)


def test_a_recorded_curve_comes_back_as_it_was() -> None:
    curves = recorded(board_of({(0, 1): [0.5, 0.6], (1, 1): [0.4, 0.7]}), epochs=2)
    assert scores(curves.curve(at(0), 1, epochs=2)) == [0.5, 0.6]
    assert curves.seconds(at(0)) == 10
    assert curves.points == [at(0), at(1)]


def test_a_cut_curve_goes_on_by_the_mean_steps_of_the_finished_ones() -> None:
    board = board_of({(0, 1): [0.5, 0.6, 0.7], (1, 1): [0.4, 0.6, 0.8]}, pruned={(2, 1): [0.3, 0.35]})
    assert scores(recorded(board, epochs=3).curve(at(2), 1, epochs=3)) == pytest.approx([0.3, 0.35, 0.5])


def test_beyond_all_that_finished_a_curve_stays_level() -> None:
    curves = recorded(board_of({(0, 1): [0.5, 0.6]}), epochs=4)
    assert scores(curves.curve(at(0), 1, epochs=4)) == [0.5, 0.6, 0.6, 0.6]


def test_a_missing_seed_is_the_mean_and_what_another_one_differed_by() -> None:
    # Both seeds of 0 and 1 agree, so nothing is drawn together: 2 is believed to be worth the 0.4 of its seed.
    board = board_of({(0, 1): [0.5], (0, 2): [0.5], (1, 1): [0.6], (1, 2): [0.6], (2, 1): [0.4]})
    assert recorded(board, epochs=1).quality(at(2)) == pytest.approx(0.4)
    assert scores(recorded(board, epochs=1).curve(at(2), 2, epochs=1)) == pytest.approx([0.4])
    # Two seeds are 0.05 from their mean, which stands for sqrt(2) times as much from that of endless ones. They scatter
    # more than the configurations do, which are therefore believed to be worth the mean of all, 0.525.
    board = board_of({(0, 1): [0.5], (0, 2): [0.6], (1, 1): [0.5]})
    assert recorded(board, epochs=1).quality(at(1)) == pytest.approx(0.525)
    made = scores(recorded(board, epochs=1).curve(at(1), 2, epochs=1))
    assert made == pytest.approx([0.525 + 0.05 * math.sqrt(2)])


def test_a_lucky_seed_is_believed_the_less_the_more_seeds_scatter() -> None:
    # Variance 0.0002 between seeds: noise 0.0001 of a mean of two and 0.0002 of a single one, 0.00013 on average. The
    # means have variance 0.0019, so 0.00177 / (0.00177 + 0.0002) = 0.898 of the way from 0.57 is believed.
    board = board_of({(0, 1): [0.54], (0, 2): [0.56], (1, 1): [0.53], (1, 2): [0.55], (2, 1): [0.62]})
    assert recorded(board, epochs=1).quality(at(2)) == pytest.approx(0.57 + 0.898 * 0.05, abs=1e-4)


def test_what_was_completed_is_said() -> None:
    board = board_of({(0, 1): [0.5, 0.6], (0, 2): [0.5, 0.6]}, pruned={(1, 1): [0.3]}, failed={(2, 1): [0.1]})
    curves = recorded(board, epochs=2)
    assert curves.points == [at(0), at(1)]
    assert "2 configurations; 2 curves as recorded, 1 cut ones continued, 1 missing seeds made" in curves.note


def test_one_seed_does_not_say_how_seeds_differ() -> None:
    curves = recorded(board_of({(0, 1): [0.5], (1, 1): [0.6]}), epochs=1)
    with pytest.raises(ConfigError, match=r"seed 2: no configuration .* two finished seeds.* `seeds: \[1\]`"):
        curves.curve(at(0), 2, epochs=1)
