"""A study that ranks by the any-abnormal or the harmonic score prunes, races, chooses and compares by that alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from evidence.objectives import Objective
from sweep.study.board import Board, shown_metrics
from sweep.study.comparison import comparison_of
from sweep.study.epoch_report import completed, content_fault
from sweep.study.events import Event, StudyStarted, StudyStopped, UnitStarted
from sweep.study.journal import read_journal
from sweep.study.racing import ContendersConfig
from sweep.study.units import State
from tests.sweep.histories import added, epoch, trained, write_journal
from tests.sweep.study.worlds import World

# By the score number 0 is best, by the any-abnormal score number 1, and by the harmonic score number 2.
RATES = [
    {"score": 0.70, "sensitivity": 0.42, "specificity": 0.98, "any_abnormal_score": 0.75},
    {"score": 0.60, "sensitivity": 0.30, "specificity": 0.90, "any_abnormal_score": 0.85},
    {"score": 0.65, "sensitivity": 0.65, "specificity": 0.65, "any_abnormal_score": 0.70},
]
RANKINGS: list[tuple[Objective, list[int]]] = [
    ("score", [0, 2, 1]),
    ("any_abnormal", [1, 0, 2]),
    # 2 * 0.42 * 0.98 / 1.4 = 0.588 and 2 * 0.3 * 0.9 / 1.2 = 0.45
    ("harmonic", [2, 0, 1]),
]


def unit_of(row: int, seed: int) -> list[Event]:
    rates = {name: rate for name, rate in RATES[row].items() if name != "score"}
    return trained(row, seed, RATES[row]["score"], **rates)


def report_of(row: int) -> dict[str, Any]:
    return epoch(1, **RATES[row])


def studied(objective: Objective, seeds: tuple[int, ...] = (1,)) -> list[Event]:
    units = [event for row in range(3) for seed in seeds for event in unit_of(row, seed)]
    return [StudyStarted(seeds, objective=objective), *added(0, 1, 2), *units]


@pytest.mark.parametrize(("objective", "ranking"), RANKINGS)
def test_configurations_are_ranked_by_the_objective(objective: Objective, ranking: list[int]) -> None:
    board = Board(events=studied(objective))
    assert [one.number for one in board.ranking()] == ranking
    assert board.scores.leaders(3) == ranking
    assert (board.best() or board.configurations[-1]).number == ranking[0]


@pytest.mark.parametrize(("objective", "ranking"), RANKINGS)
def test_ties_and_luck_are_those_of_the_objective(objective: Objective, ranking: list[int]) -> None:
    board = Board(events=studied(objective, seeds=(1, 2)))
    compared = comparison_of(board)
    assert compared is not None
    assert (compared.best, compared.metric) == (ranking[0], board.metric)
    assert compared.means.argsort()[::-1].tolist() == ranking


def test_the_harmonic_score_follows_from_what_units_report() -> None:
    board = Board(events=studied("harmonic"))
    summary = board.configurations[0].summary("harmonic_score")
    assert summary is not None
    assert summary.mean == pytest.approx(2 * 0.42 * 0.98 / 1.4)
    assert shown_metrics(board)[-1] == "harmonic_score"
    # Whatever a report says of it itself.
    assert completed({**report_of(0), "harmonic_score": 0.99}, "harmonic_score")["harmonic_score"] < 0.6
    assert (
        completed({**report_of(0), "sensitivity": 0.0, "specificity": 0.0}, "harmonic_score")[
            "harmonic_score"
        ]
        == 0
    )


def test_a_study_of_the_score_is_shown_as_ever() -> None:
    board = Board(events=studied("score"))
    assert shown_metrics(board) == ("score", "sensitivity", "specificity", "any_abnormal_score")
    assert "harmonic_score" not in board.unit(0, 1).curve[0]


@pytest.mark.parametrize(
    ("objective", "missing", "said"),
    [
        ("score", "score", "epoch 1 was reported without a score"),
        ("any_abnormal_score", "any_abnormal_score", "epoch 1 was reported without any_abnormal_score"),
        ("harmonic_score", "sensitivity", "epoch 1 was reported without sensitivity"),
        ("harmonic_score", "specificity", "epoch 1 was reported without specificity"),
        ("harmonic_score", "score", "epoch 1 was reported without a score"),
    ],
)
def test_a_report_without_what_the_study_ranks_by_is_none(objective: str, missing: str, said: str) -> None:
    report = report_of(0)
    assert content_fault(report, objective) is None
    del report[missing]
    assert content_fault(report, objective) == said


def test_a_unit_that_does_not_say_what_the_study_ranks_by_fails() -> None:
    world = World(objectives=("any_abnormal_score",))
    world.start()
    assert world.coordinator.report(0, 1, {"epoch": 1, "score": 0.5})
    assert world.board.unit(0, 1).state is State.FAILED
    assert world.board.unit(0, 1).reason == "epoch 1 was reported without any_abnormal_score"


@pytest.mark.parametrize(
    ("metric", "objective", "bar", "reason"),
    [
        (
            "any_abnormal_score",
            "any_abnormal",
            0.8,
            "any-abnormal score 75.0 %, its best 75.0 %; against 80.0 %, the bar",
        ),
        (
            "harmonic_score",
            "harmonic",
            0.6,
            "harmonic score 58.8 %, its best 58.8 %; against 60.0 %, the bar",
        ),
    ],
)
def test_the_pruner_sees_the_objective(metric: str, objective: Objective, bar: float, reason: str) -> None:
    world = World(objectives=(metric,), bar=bar)
    assert world.board.objective == objective
    world.start()
    assert world.coordinator.report(0, 1, report_of(0))
    assert world.board.unit(0, 1).reason == f"pruned at epoch 1: {reason}"
    spared = World(objectives=(metric,), bar=bar - 0.1)
    spared.start()
    assert not spared.coordinator.report(0, 1, report_of(0))


@pytest.mark.parametrize(
    ("metric", "first"), [("score", 0), ("any_abnormal_score", 1), ("harmonic_score", 2)]
)
def test_the_race_gives_seeds_to_the_best_by_the_objective(metric: str, first: int) -> None:
    world = World(seeds=(1, 2), betas=3, racing=ContendersConfig(), objectives=(metric,))
    for row in range(3):
        assert world.start() == (row, 1)
        world.coordinator.report(row, 1, report_of(row))
        world.coordinator.finished(row, 1, 1)
    assert world.start() == (first, 2)


@pytest.mark.parametrize(("metric", "started"), [("score", 3), ("any_abnormal_score", 4)])
def test_a_budget_that_waits_for_a_rise_waits_for_one_of_the_objective(metric: str, started: int) -> None:
    # The any-abnormal score of number 1 is a rise, its score is none.
    until = {"until": {"for_configurations": 2}}
    world = World(seeds=(1,), betas=9, budget=until, objectives=(metric,))
    for row in (0, 1, 2, 2, 2, 2, 2):
        unit = world.start()
        if unit is None:
            break
        world.coordinator.report(*unit, report_of(row))
        world.coordinator.finished(*unit, 1)
    assert len(world.board.configurations) == started


def test_the_objective_is_in_the_journal_and_another_one_cannot_follow(tmp_path: Path) -> None:
    path = write_journal(tmp_path / "journal.jsonl", studied("any_abnormal"))
    board = Board(events=read_journal(path))
    assert board.objective == "any_abnormal"
    with pytest.raises(
        ValueError, match="objective score, where the study has been ranked by any_abnormal so far"
    ):
        Board(events=[*studied("any_abnormal")[:2], StudyStopped("over"), StudyStarted((1,))])


def test_a_study_taken_up_again_goes_on_by_its_objective() -> None:
    world = World(seeds=(1,), betas=3, objectives=("any_abnormal_score",))
    for row in range(3):
        world.start()
        world.coordinator.report(row, 1, report_of(row))
        world.coordinator.finished(row, 1, 1)
    again = World(seeds=(1,), betas=3, objectives=("any_abnormal_score",), past=world.heard)
    assert [one.number for one in again.board.ranking()] == [1, 0, 2]
    assert Board(events=again.heard).objective == "any_abnormal"


def test_a_journal_of_before_there_were_objectives_is_of_the_score(tmp_path: Path) -> None:
    path = write_journal(tmp_path / "journal.jsonl", [])
    started = {"event": "StudyStarted", "at": 1.0, "seeds": [1, 2], "changes": [], "gpus": 0.0}
    with path.open("a") as file:
        file.write(json.dumps(started) + "\n")
    assert list(read_journal(path)) == [StudyStarted((1, 2), at=1.0)]
    assert Board(events=[*read_journal(path), *added(0), UnitStarted(0, 1)]).objective == "score"
