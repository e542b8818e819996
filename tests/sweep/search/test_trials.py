"""What becomes of a configuration in Optuna: for samplers, and for who looks at the study with Optuna's own tools."""

from datetime import datetime
from typing import Any

import pytest
from optuna.trial import FrozenTrial

from sweep.search.trials import TrialBuilder
from sweep.study.board import Board
from sweep.study.events import (
    ConfigurationAdded,
    ConfigurationDropped,
    EpochReported,
    Event,
    UnitFailed,
    UnitFinished,
    UnitPlaced,
    UnitPruned,
    UnitStarted,
)
from tests.sweep.histories import epoch, trained
from tests.sweep.search.sweeps import BETA, BOTH, config_of

AXES = {"type": "categorical", "choices": [["time"], ["time", "frequency"]]}
CONFIG = config_of({"patch_mix.beta": BETA, "patch_mix.axes": AXES})
POINT = {"patch_mix.beta": 0.5, "patch_mix.axes": ("time", "frequency")}


def board_with(*events: Event) -> Board:
    return Board((1, 2), [ConfigurationAdded(0, POINT, {"trial": {"generation": 3}}), *events])


STARTED = [UnitStarted(0, 1), EpochReported(0, 1, epoch(1, 0.3))]
DROPPED = [*trained(0, 1, 0.2, 0.5), ConfigurationDropped(0, "hopeless")]
FAILED_LATE = [*trained(0, 1, 0.2, 0.5), UnitStarted(0, 2), UnitFailed(0, 2, "the loss is NaN")]
CURVE, BEGINNING = {1: 0.2, 2: 0.5}, {1: 0.3}


def told(trial: FrozenTrial) -> tuple[Any, ...]:
    return trial.state.name, trial.values, trial.intermediate_values


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], ("RUNNING", None, {})),
        (STARTED, ("RUNNING", None, {})),
        (trained(0, 1, 0.2, 0.5), ("COMPLETE", [0.5], CURVE)),
        ([*trained(0, 1, 0.2, 0.5), *trained(0, 2, 0.7)], ("COMPLETE", [pytest.approx(0.6)], CURVE)),
        (DROPPED, ("COMPLETE", [0.5], CURVE)),
        ([*STARTED, UnitPruned(0, 1, "slow")], ("PRUNED", [0.3], BEGINNING)),
        ([*STARTED, UnitFailed(0, 1, "the loss is NaN")], ("FAIL", None, BEGINNING)),
        (FAILED_LATE, ("FAIL", None, CURVE)),
    ],
)
def test_samplers_see_a_configuration_from_the_end_of_its_first_seed_on(
    events: list[Event], expected: tuple[Any, ...]
) -> None:
    configuration = board_with(*events).configurations[0]
    trial = TrialBuilder(CONFIG.space, CONFIG.objectives).for_samplers(configuration)
    assert told(trial) == expected
    assert trial.params == {"patch_mix.beta": 0.5, "patch_mix.axes": '["time", "frequency"]'}
    assert trial.system_attrs == {"generation": 3}


@pytest.mark.parametrize(
    ("events", "expected", "attrs"),
    [
        (STARTED, ("RUNNING", None, BEGINNING), {"state": "open", "seeds": 0}),
        (
            [*trained(0, 1, 0.2, 0.5), *trained(0, 2, 0.7)],
            ("COMPLETE", [pytest.approx(0.6)], CURVE),
            {"state": "complete", "seeds": 2, "score_mean": pytest.approx(0.6)},
        ),
        (
            trained(0, 1, 0.2, 0.5),
            ("COMPLETE", [0.5], CURVE),
            {"state": "open", "seeds": 1, "score_mean": 0.5},
        ),
        (
            DROPPED,
            ("COMPLETE", [0.5], CURVE),
            {"state": "dropped", "seeds": 1, "score_mean": 0.5, "reason": "hopeless"},
        ),
        (
            FAILED_LATE,
            ("COMPLETE", [0.5], CURVE),
            {"state": "failed", "seeds": 1, "score_mean": 0.5, "reason": "the loss is NaN"},
        ),
        (
            [*STARTED, UnitPruned(0, 1, "slow")],
            ("PRUNED", [0.3], BEGINNING),
            {"state": "pruned", "seeds": 0, "reason": "slow"},
        ),
        (
            [*STARTED, UnitFailed(0, 1, "the loss is NaN")],
            ("FAIL", None, BEGINNING),
            {"state": "failed", "seeds": 0, "reason": "the loss is NaN"},
        ),
    ],
)
def test_people_see_every_score_as_a_finished_trial(
    events: list[Event], expected: tuple[Any, ...], attrs: dict[str, Any]
) -> None:
    board = board_with(*events)
    trial = TrialBuilder(CONFIG.space, CONFIG.objectives).for_people(board.configurations[0], board.fate(0))
    assert told(trial) == expected
    assert trial.user_attrs == {"configuration": 0, **attrs}
    assert trial.system_attrs == {}


def test_two_objectives_are_two_means_and_have_no_curve() -> None:
    board = board_with(*trained(0, 1, 0.2, 0.5), *trained(0, 2, 0.7))
    builder = TrialBuilder(CONFIG.space, BOTH)
    seen, shown = (
        builder.for_samplers(board.configurations[0]),
        builder.for_people(board.configurations[0], board.fate(0)),
    )
    assert told(seen) == told(shown) == ("COMPLETE", [pytest.approx(0.5), pytest.approx(0.7)], {})
    assert shown.user_attrs["score_mean"] == pytest.approx(0.6)
    pruned = board_with(*STARTED, UnitPruned(0, 1, "slow"))
    assert told(builder.for_samplers(pruned.configurations[0])) == ("PRUNED", None, {})
    assert told(builder.for_people(pruned.configurations[0], pruned.fate(0))) == ("PRUNED", None, {})


def test_people_see_when_a_configuration_held_a_device() -> None:
    board = board_with(
        UnitStarted(0, 1, placed=False, at=10),
        UnitPlaced(0, 1, at=20),
        EpochReported(0, 1, epoch(1, 0.3), at=30),
        UnitFinished(0, 1, 1, at=40),
        UnitStarted(0, 2, at=50),
        EpochReported(0, 2, epoch(1, 0.3), at=60),
        UnitFinished(0, 2, 1, at=70),
    )
    trial = TrialBuilder(CONFIG.space, CONFIG.objectives).for_people(board.configurations[0], board.fate(0))
    assert (trial.datetime_start, trial.datetime_complete) == (
        datetime.fromtimestamp(20),
        datetime.fromtimestamp(70),
    )


def test_another_objective_is_the_value_and_the_curve() -> None:
    board = board_with(*trained(0, 1, 0.2, 0.5, any_abnormal_score=0.9), *trained(0, 2, 0.7))
    builder = TrialBuilder(CONFIG.space, ("any_abnormal_score",))
    trial = builder.for_samplers(board.configurations[0])
    assert told(trial) == ("COMPLETE", [pytest.approx(0.9)], {1: 0.9, 2: 0.9})
    pruned = board_with(UnitStarted(0, 1), EpochReported(0, 1, epoch(1, 0.3)), UnitPruned(0, 1, "slow"))
    assert told(builder.for_samplers(pruned.configurations[0])) == ("PRUNED", [0.5], {1: 0.5})
