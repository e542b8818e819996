import math
from typing import Any

import numpy as np
import pytest

from evidence.cross_folds import cross_fold_numbers
from sweep.report.frames import (
    cross_fold_frame,
    curves_frame,
    leaderboard_frame,
    simulation_frame,
    units_frame,
)
from sweep.simulation.simulate import Outcome, Simulation
from sweep.study.board import Board
from sweep.study.events import StudyStarted, UnitFailed
from tests.evidence.test_cross_folds import by_hand, invented
from tests.sweep.histories import added, reported, trained


def board() -> Board:
    events = [
        StudyStarted((1, 2)),
        *added(0, 1, 2),
        *trained(0, 1, 0.4, 0.5, train_loss=1.5),
        *trained(1, 1, 0.6),
        *trained(1, 2, 0.8),
        *reported(2, 1, 0.9),
        UnitFailed(2, 1, "out of luck"),
    ]
    return Board(events=events)


def column(frame: Any, name: str) -> list[Any]:
    return frame[name].tolist()


def test_the_leaderboard_has_a_row_for_each_configuration_best_first() -> None:
    frame = leaderboard_frame(board())
    assert column(frame, "configuration") == [1, 0, 2]
    assert frame["rank"].isna().tolist() == [False, True, True]
    assert column(frame, "score")[0] == pytest.approx(0.7)
    assert column(frame, "score_sd")[0] == pytest.approx(0.1 * math.sqrt(2))
    assert math.isnan(column(frame, "score_sd")[1])
    assert column(frame, "seeds") == [2, 1, 0]
    assert column(frame, "state") == ["complete", "open", "failed, seed 1"]
    assert column(frame, "patch_mix.beta") == [1.0, 0.0, 2.0]
    assert "pareto" not in frame


def test_the_leaderboard_says_who_is_tied_and_how_likely_each_is_the_best() -> None:
    events = [StudyStarted((1, 2, 3)), *added(0, 1, 2, 3)]
    for number, scores in enumerate([(0.60, 0.62, 0.64), (0.61, 0.64, 0.66), (0.40, 0.41, 0.43)]):
        events += [event for seed, score in enumerate(scores, 1) for event in trained(number, seed, score)]
    frame = leaderboard_frame(Board(events=events))
    assert column(frame, "configuration") == [1, 0, 2, 3]
    assert column(frame, "tied") == [True, True, False, False]
    probability = column(frame, "probability_best")
    assert probability[0] > probability[1] > probability[2]
    assert sum(probability[:3]) == pytest.approx(1)
    assert math.isnan(probability[3])
    assert leaderboard_frame(Board())["tied"].dtype == "boolean"


def test_sharpness_is_there_where_it_was_measured() -> None:
    events = [*trained(0, 1, 0.5, sharpness=0.1), *trained(0, 2, 0.5, sharpness=0.3), *trained(1, 1, 0.6)]
    frame = leaderboard_frame(Board(events=[StudyStarted((1, 2)), *added(0, 1), *events]), sort="sharpness")
    assert column(frame, "configuration") == [0, 1]
    assert column(frame, "sharpness")[0] == pytest.approx(0.2)
    assert column(frame, "sharpness_sd")[0] == pytest.approx(0.1 * math.sqrt(2))
    assert math.isnan(column(frame, "sharpness")[1])
    assert "sharpness" not in leaderboard_frame(board())


def test_with_two_objectives_the_pareto_front_is_marked() -> None:
    frame = leaderboard_frame(board(), ("sensitivity", "specificity"))
    assert column(frame, "pareto") == [True, False, False]


def test_curves_have_a_row_for_each_epoch() -> None:
    frame = curves_frame(board())
    assert frame[["configuration", "seed", "epoch"]].values.tolist() == [
        [0, 1, 1],
        [0, 1, 2],
        [1, 1, 1],
        [1, 2, 1],
        [2, 1, 1],
    ]
    assert column(frame, "score") == [0.4, 0.5, 0.6, 0.8, 0.9]
    assert frame["train_loss"].notna().tolist() == [True, True, False, False, False]


def test_units_say_how_they_ended() -> None:
    frame = units_frame(board(), now=0.0)
    assert column(frame, "state") == ["finished", "finished", "finished", "failed"]
    assert column(frame, "epochs") == [2, 1, 1, 1]
    assert frame["selected_epoch"].isna().tolist() == [False, False, False, True]
    assert column(frame, "reason")[-1] == "out of luck"


def test_tables_of_nothing_have_their_columns() -> None:
    assert list(curves_frame(Board()).columns[:4]) == ["configuration", "seed", "epoch", "score"]
    assert "score_sd" in leaderboard_frame(Board())
    assert "reason" in units_frame(Board(), now=0.0)


def test_simulations_have_a_row_for_each_repeat_of_each_arm() -> None:
    outcome = Outcome(2, 4, 12, 1.0, 0.5, 0.6, 0.0, 1.0, 0.0)
    frame = simulation_frame(Simulation("listed", 2, [outcome, outcome], [outcome, outcome]))
    assert frame[["repeat", "stops"]].values.tolist() == [[0, True], [1, True], [0, False], [1, False]]
    assert column(frame, "hours") == [0.5] * 4
    assert frame.attrs["note"] == "listed"


def test_another_objective_ranks_and_has_its_columns() -> None:
    rows = [
        *trained(0, 1, 0.7, sensitivity=0.7, specificity=0.7),
        *trained(1, 1, 0.75, sensitivity=0.5, specificity=1.0),
    ]
    frame = leaderboard_frame(Board(events=[StudyStarted((1,), objective="harmonic"), *added(0, 1), *rows]))
    assert frame["configuration"].tolist() == [0, 1]
    assert frame["harmonic_score"].tolist() == pytest.approx([0.7, 2 / 3])
    assert "harmonic_score_sd" in frame
    assert "harmonic_score" not in leaderboard_frame(Board((1,), [*added(0), *trained(0, 1, 0.5)]))


def test_finalists_on_all_folds_have_a_row_each() -> None:
    numbers = cross_fold_numbers(invented(np.random.default_rng(1), [1.5, 1.45, -0.5]))
    frame = cross_fold_frame(numbers, "score")
    assert frame["configuration"].tolist() == numbers["ranking"]
    assert frame["tied"].tolist() == [True, True, False]
    rows = zip(*(frame[name].tolist() for name in ("low", "score", "high")), strict=True)
    assert all(low < score < high for low, score, high in rows)
    assert [column for column in frame if column.startswith("fold_")] == [f"fold_{fold}" for fold in range(5)]
    few = cross_fold_frame(cross_fold_numbers(by_hand()), "score")
    assert few["tied"].isna().tolist() == few["low"].isna().tolist() == [True, True]
    assert few["worst_fold"].tolist() == [1, 1]
