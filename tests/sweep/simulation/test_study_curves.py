"""What is collected of a board: which units, which numbers, and for how long a unit held its device."""

import math
from typing import Any

import pytest

from data.settings import ConfigError
from sweep.config.study_config import StudyConfig
from sweep.simulation.study_curves import StudyCurves, curves_of_board
from sweep.study.board import Board
from sweep.study.events import (
    EpochReported,
    Event,
    StudyStarted,
    UnitFailed,
    UnitFinished,
    UnitPruned,
    UnitStarted,
)
from sweep.study.score_table import METRICS
from tests.sweep.histories import added, reported, timed, trained

CONFIG = StudyConfig.model_validate(
    {"search": {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 9.0}}}
)
SCORE = METRICS.index("score")


def curves_of(*events: Event, seeds: tuple[int, ...] = (1, 2)) -> StudyCurves:
    return curves_of_board(Board(events=[StudyStarted(seeds), *events]), CONFIG, "first")


def test_units_come_by_configuration_and_in_the_order_of_the_seeds() -> None:
    curves = curves_of(*added(1 - 1, 1), *trained(1, 2, 0.4), *trained(0, 1, 0.5), *trained(1, 1, 0.6))
    assert [(unit.configuration, unit.seed) for unit in curves.units] == [(0, 1), (1, 1), (1, 2)]
    assert curves.units[1].values == {"patch_mix.beta": 1.0}
    assert curves.configurations == 2
    assert curves.config.seeds == (1, 2)


def test_a_curve_that_was_cut_is_told_from_a_finished_one() -> None:
    curves = curves_of(
        *added(0, 1), *trained(0, 1, 0.5, 0.6), *reported(1, 1, 0.3), UnitPruned(1, 1, "behind")
    )
    assert [unit.finished for unit in curves.units] == [True, False]
    assert [unit.metrics[:, SCORE].tolist() for unit in curves.units] == [[0.5, 0.6], [0.3]]


def test_failed_configurations_and_units_without_an_epoch_are_left_out() -> None:
    failed = [*trained(1, 1, 0.9), UnitStarted(1, 2), UnitFailed(1, 2, "the loss is NaN")]
    curves = curves_of(*added(0, 1, 2), *trained(0, 1, 0.5), *failed, UnitStarted(2, 1))
    assert [unit.configuration for unit in curves.units] == [0]


@pytest.mark.parametrize(
    ("reports", "held"),
    [
        # Reports at 100, 110 and 120 s of a unit that began at 90 s.
        ({}, [30.0, 0.0, 0.0]),
        ({"seconds": 7.0004}, [15.999, 7.0, 7.0]),
        # A clock that was set back does not take from what was measured.
        ({"seconds": 20.0}, [20.0, 20.0, 20.0]),
    ],
)
def test_the_first_epoch_holds_what_is_in_no_epoch(reports: dict[str, Any], held: list[float]) -> None:
    events = timed(*trained(0, 1, 0.5, 0.6, 0.7, **reports), start=90.0, apart=10.0)
    assert curves_of(*added(0), *events).units[0].seconds.tolist() == held


def test_metrics_have_six_decimals_and_none_that_was_not_reported() -> None:
    report = {"epoch": 1, "score": 2 / 3, "sensitivity": 2 / 3, "specificity": 2 / 3}
    curves = curves_of(*added(0), UnitStarted(0, 1), EpochReported(0, 1, report), UnitFinished(0, 1, 1))
    assert curves.units[0].metrics[0, SCORE] == 0.666667
    assert math.isnan(curves.units[0].metrics[0, METRICS.index("any_abnormal_score")])


def test_a_study_in_which_nothing_finished_has_no_curves() -> None:
    with pytest.raises(ConfigError, match=r"study first: no unit has finished"):
        curves_of(*added(0), *reported(0, 1, 0.3), UnitPruned(0, 1, "behind"))
