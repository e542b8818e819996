"""The rules by which a study grows, with a search that is a plain list."""

from typing import Any

import pytest

from sweep.board import (
    Board,
    ConfigurationAdded,
    EpochReported,
    Event,
    State,
    UnitFailed,
    UnitFinished,
    UnitPruned,
    UnitStarted,
)
from sweep.study import Study


class ListedSearch:
    """Proposes the betas of a list, prunes at a score below `bar`, and notes what it is told."""

    def __init__(self, betas: list[float], bar: float = 0.0) -> None:
        self._betas = iter(betas)
        self._bar = bar
        self.told: list[tuple[Any, ...]] = []

    def propose(self) -> dict[str, Any] | None:
        beta = next(self._betas, None)
        return None if beta is None else {"patch_mix.beta": beta}

    def report(self, configuration: int, epoch: int, score: float) -> bool:
        self.told.append(("report", configuration, epoch, score))
        return score < self._bar

    def tell_complete(self, configuration: int, mean_score: float) -> None:
        self.told.append(("complete", configuration, mean_score))

    def tell_pruned(self, configuration: int) -> None:
        self.told.append(("pruned", configuration))

    def tell_failed(self, configuration: int) -> None:
        self.told.append(("failed", configuration))

    @property
    def ends(self) -> list[tuple[Any, ...]]:
        return [what for what in self.told if what[0] != "report"]


def study_of(
    search: ListedSearch, seeds: tuple[int, ...] = (1, 2), budget: int = 9
) -> tuple[Study, list[Event]]:
    heard: list[Event] = []
    return Study(Board(seeds), search, budget, [heard.append]), heard


def start(study: Study) -> tuple[int, int] | None:
    started = study.next_unit()
    return None if started is None else (started[0].number, started[1])


def report(number: int, score: float) -> dict[str, float]:
    return {"epoch": number, "score": score}


def train(study: Study, number: int, seed: int, *scores: float) -> None:
    for epoch, score in enumerate(scores, 1):
        assert not study.report(number, seed, report(epoch, score))
    study.finished(number, seed, len(scores))


def test_a_survivor_gets_its_other_seeds_before_a_new_configuration_is_proposed() -> None:
    study, _ = study_of(ListedSearch([0.5, 1.0]))
    assert start(study) == (0, 1)
    train(study, 0, 1, 0.5)
    assert start(study) == (0, 2)
    assert start(study) == (1, 1)


def test_idle_machines_start_new_configurations_while_a_first_seed_runs() -> None:
    study, _ = study_of(ListedSearch([0.5, 1.0, 2.0]))
    assert [start(study) for _ in range(4)] == [(0, 1), (1, 1), (2, 1), None]


def test_the_search_learns_the_mean_over_all_seeds_once() -> None:
    search = ListedSearch([0.5])
    study, _ = study_of(search)
    start(study)
    train(study, 0, 1, 0.4)
    start(study)
    assert search.ends == []
    train(study, 0, 2, 0.6)
    assert search.ends == [("complete", 0, pytest.approx(0.5))]


def test_only_the_first_seed_is_watched_by_the_pruner() -> None:
    search = ListedSearch([0.5], bar=0.3)
    study, _ = study_of(search)
    start(study)
    train(study, 0, 1, 0.4)
    start(study)
    assert not study.report(0, 2, report(1, 0.1))
    assert [what for what in search.told if what[0] == "report"] == [("report", 0, 1, 0.4)]


def test_a_pruned_unit_stops_and_says_why() -> None:
    search = ListedSearch([0.5], bar=0.3)
    study, _ = study_of(search)
    start(study)
    assert not study.report(0, 1, report(1, 0.4))
    assert study.report(0, 1, report(2, 0.2))
    unit = study.board.unit(0, 1)
    assert unit.state is State.PRUNED
    assert unit.reason == "pruned at epoch 2: score 0.200, its best 0.400"
    assert search.ends == [("pruned", 0)]


def test_a_unit_that_is_over_is_told_to_stop_again() -> None:
    study, heard = study_of(ListedSearch([0.5], bar=0.3))
    start(study)
    study.report(0, 1, report(1, 0.1))
    past = list(heard)
    assert study.report(0, 1, report(2, 0.9))
    assert heard == past


def test_an_epoch_heard_before_changes_nothing() -> None:
    search = ListedSearch([0.5], bar=0.3)
    study, heard = study_of(search)
    start(study)
    study.report(0, 1, report(1, 0.4))
    past = list(heard)
    assert not study.report(0, 1, report(1, 0.1))
    assert heard == past
    assert search.told == [("report", 0, 1, 0.4)]


def test_a_failed_unit_ends_its_configuration_and_not_the_study() -> None:
    search = ListedSearch([0.5, 1.0])
    study, _ = study_of(search)
    start(study)
    study.failed(0, 1, "the loss is NaN")
    assert search.ends == [("failed", 0)]
    assert start(study) == (1, 1)


def test_a_configuration_fails_when_its_last_running_seed_ends() -> None:
    search = ListedSearch([0.5])
    study, _ = study_of(search, seeds=(1, 2, 3))
    start(study)
    train(study, 0, 1, 0.5)
    assert (start(study), start(study)) == ((0, 2), (0, 3))
    study.failed(0, 2, "the loss is NaN")
    assert search.ends == []
    train(study, 0, 3, 0.5)
    assert search.ends == [("failed", 0)]


def test_the_budget_ends_a_study() -> None:
    study, _ = study_of(ListedSearch([0.5, 1.0, 2.0]), seeds=(1,), budget=1)
    start(study)
    assert start(study) is None
    assert not study.over
    train(study, 0, 1, 0.5)
    assert study.over


def test_a_search_without_further_points_ends_a_study() -> None:
    study, _ = study_of(ListedSearch([0.5]), seeds=(1,))
    start(study)
    assert start(study) is None
    assert not study.over
    train(study, 0, 1, 0.5)
    assert study.over


def test_a_study_is_not_over_while_seeds_wait() -> None:
    study, _ = study_of(ListedSearch([0.5]), budget=1)
    start(study)
    train(study, 0, 1, 0.5)
    assert not study.over
    assert start(study) == (0, 2)


def test_listeners_hear_every_change_after_the_board() -> None:
    board = Board((1,))
    states: list[tuple[str, int]] = []
    search = ListedSearch([0.5, 1.0, 2.0], bar=0.3)
    study = Study(board, search, 3, [lambda event: states.append((type(event).__name__, len(board.units())))])
    start(study)
    assert states == [("ConfigurationAdded", 0), ("UnitStarted", 1)]


def test_the_events_of_a_study_give_its_board_back() -> None:
    study, heard = study_of(ListedSearch([0.5, 1.0, 2.0], bar=0.3), seeds=(1,))
    for _ in range(3):
        start(study)
    train(study, 0, 1, 0.4, 0.6)
    study.report(1, 1, report(1, 0.1))
    study.failed(2, 1, "the loss is NaN")
    assert Board((1,), heard).configurations == study.board.configurations
    assert [type(event) for event in heard] == [
        *(3 * [ConfigurationAdded, UnitStarted]),
        *(2 * [EpochReported]),
        UnitFinished,
        EpochReported,
        UnitPruned,
        UnitFailed,
    ]
