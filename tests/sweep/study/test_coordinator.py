"""The rules by which a study grows, with a search that is a plain list and a pruner that is a bar."""

import errno
from typing import Any

import pytest

from sweep.study.board import Board
from sweep.study.budget import Budget, BudgetConfig
from sweep.study.coordinator import FAILURES_IN_A_ROW, Coordinator, Rules
from sweep.study.events import (
    ConfigurationAdded,
    EpochReported,
    Event,
    StudyStarted,
    StudyStopped,
    UnitFailed,
    UnitFinished,
    UnitLost,
    UnitPruned,
    UnitStarted,
)
from sweep.study.racing import ContendersConfig, NoRacingConfig, RacingConfig
from sweep.study.units import Configuration, Fate, State


class ListedSearch:
    """Proposes the betas of a list, and notes what it is told."""

    def __init__(self, betas: int = 99) -> None:
        self._betas = betas
        self._next = 0
        self.told: list[tuple[Any, ...]] = []

    def propose(self) -> ConfigurationAdded | None:
        if self._next == self._betas:
            return None
        self._next += 1
        return ConfigurationAdded(self._next - 1, {"patch_mix.beta": float(self._next)})

    def learn(self, configuration: Configuration) -> None:
        ended, summary = configuration.units_in(State.FAILED, State.PRUNED), configuration.summary()
        if ended:
            self.told.append((str(ended[0].state), configuration.number))
        elif summary is not None:
            self.told.append(("learnt", configuration.number, pytest.approx(summary.mean)))

    def restore(self, board: Board) -> None:
        self._next = len(board.configurations)


class Bar:
    """Prunes a score below `height`."""

    def __init__(self, height: float = 0.0) -> None:
        self._height = height
        self.ended: list[int] = []

    def report(self, configuration: Configuration, epoch: int, score: float) -> bool:
        return score < self._height

    def end(self, configuration: Configuration) -> None:
        self.ended.append(configuration.number)

    def restore(self, board: Board) -> None:
        pass


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class World:
    """A study with all that it stands on."""

    def __init__(
        self,
        *,
        seeds: tuple[int, ...] = (1, 2),
        budget: dict[str, Any] | None = None,
        racing: RacingConfig | None = None,
        bar: float = 0.0,
        betas: int = 99,
        past: list[Event] | None = None,
        slots: int = 1,
        **rules: Any,
    ) -> None:
        self.search, self.pruner, self.clock = ListedSearch(betas), Bar(bar), Clock()
        self.heard: list[Event] = list(past or [])
        racing = racing or NoRacingConfig()
        self.board = Board(events=self.heard)
        limits = Budget(BudgetConfig.model_validate(budget or {}), racing, gpus=1, slots=slots)
        self.coordinator = Coordinator(
            self.board,
            self.search,
            self.pruner,
            limits,
            Rules(racing=racing, gpus=1.0, **rules),
            [self.heard.append],
            self.clock,
        )
        self.coordinator.start(seeds)

    def start(self) -> tuple[int, int] | None:
        started = self.coordinator.next_unit()
        return None if started is None else (started[0].number, started[1])

    def train(self, number: int, seed: int, *scores: float) -> None:
        for epoch, score in enumerate(scores, 1):
            assert not self.coordinator.report(number, seed, report(epoch, score))
        self.coordinator.finished(number, seed, len(scores))

    def play(self, scores: dict[int, list[float]], most: int = 99) -> list[tuple[int, int]]:
        """Run units one after the other, each with its score and for an hour; returns them in order."""
        units = []
        while len(units) < most and (unit := self.start()) is not None:
            self.clock.now += 3600
            number, seed = unit
            self.train(number, seed, scores[number][self.board.seeds.index(seed)])
            units.append(unit)
        return units


def report(number: int, score: float, **rates: float) -> dict[str, Any]:
    return {"epoch": number, "score": score, "sensitivity": score, "specificity": score, **rates}


def test_every_configuration_gets_its_first_seed_before_any_gets_a_second() -> None:
    world = World(budget={"configurations": 2})
    assert world.play({0: [0.5, 0.5], 1: [0.4, 0.4]}) == [(0, 1), (1, 1), (0, 2), (1, 2)]
    assert world.coordinator.over


def test_one_after_the_other_on_request() -> None:
    world = World(budget={"configurations": 2}, schedule="sequential")
    assert world.play({0: [0.5, 0.5], 1: [0.4, 0.4]}) == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_idle_machines_start_new_configurations_while_a_first_seed_runs() -> None:
    world = World(budget={"configurations": 3}, schedule="sequential")
    assert [world.start() for _ in range(4)] == [(0, 1), (1, 1), (2, 1), None]


def test_a_contender_gets_seeds_and_a_hopeless_configuration_does_not() -> None:
    scores = {number: [0.7 - 0.001 * number] * 5 if number < 4 else [0.3] * 5 for number in range(12)}
    world = World(seeds=(1, 2, 3, 4, 5), racing=ContendersConfig(), budget={"configurations": 12})
    units = world.play(scores)
    assert units[:12] == [(number, 1) for number in range(12)]
    assert {number for number, seed in units if seed > 1} == {0, 1, 2, 3}
    assert world.coordinator.stop() == "over"
    hopeless = world.board.configurations[11]
    assert (hopeless.dropped or "").startswith(
        "dropped after seed 1: 0.300 against 0.700 on the same seeds, P(better)"
    )
    assert {world.board.fate(number) for number in range(4, 12)} == {Fate.DROPPED}


def test_the_best_three_end_with_all_their_seeds() -> None:
    scores = {number: [0.9 - 0.2 * number] * 3 for number in range(4)}
    world = World(seeds=(1, 2, 3), racing=ContendersConfig(), budget={"configurations": 4})
    world.play(scores)
    assert [configuration.number for configuration in world.board.ranking()] == [0, 1, 2]


def test_the_search_learns_from_the_first_seed_on() -> None:
    world = World(budget={"configurations": 1})
    world.start()
    world.train(0, 1, 0.4)
    assert world.search.told == [("learnt", 0, 0.4)]
    world.start()
    world.train(0, 2, 0.6)
    assert world.search.told == [("learnt", 0, 0.4), ("learnt", 0, 0.5)]


def test_only_the_first_seed_is_watched_by_the_pruner() -> None:
    world = World(budget={"configurations": 1}, bar=0.3)
    world.start()
    world.train(0, 1, 0.4)
    world.start()
    assert not world.coordinator.report(0, 2, report(1, 0.1))
    assert world.pruner.ended == [0]


def test_a_pruned_unit_stops_and_says_why() -> None:
    world = World(bar=0.3)
    world.start()
    assert not world.coordinator.report(0, 1, report(1, 0.4))
    assert world.coordinator.report(0, 1, report(2, 0.2))
    unit = world.board.unit(0, 1)
    assert unit.state is State.PRUNED
    assert unit.reason == "pruned at epoch 2: score 0.200, its best 0.400"
    assert world.search.told == [("pruned", 0)]
    assert world.pruner.ended == [0]


def test_a_unit_that_is_over_is_told_to_stop_again() -> None:
    world = World(bar=0.3)
    world.start()
    world.coordinator.report(0, 1, report(1, 0.1))
    past = list(world.heard)
    assert world.coordinator.report(0, 1, report(2, 0.9))
    assert world.heard == past


def test_an_epoch_heard_before_changes_nothing() -> None:
    world = World(bar=0.3)
    world.start()
    world.coordinator.report(0, 1, report(1, 0.4))
    world.coordinator.report(0, 1, report(2, 0.5))
    past = list(world.heard)
    assert not world.coordinator.report(0, 1, report(1, 0.1))
    assert not world.coordinator.report(0, 1, report(2, 0.1))
    assert world.heard == past


def test_the_last_epoch_heard_is_judged_again_by_what_was_heard_first() -> None:
    first = World()
    first.start()
    first.coordinator.report(0, 1, report(1, 0.2))
    again = World(past=first.heard, bar=0.3)
    again.start()
    assert again.coordinator.report(0, 1, report(1, 0.9))
    assert again.board.unit(0, 1).state is State.PRUNED


def test_two_objectives_spare_what_no_configuration_beats_in_both() -> None:
    world = World(bar=0.9, objectives=("sensitivity", "specificity"))
    world.start()
    assert not world.coordinator.report(0, 1, report(1, 0.5, sensitivity=0.5, specificity=0.5))
    world.coordinator.finished(0, 1, 1)
    world.start()
    world.start()
    assert not world.coordinator.report(1, 1, report(1, 0.4, sensitivity=0.6, specificity=0.2))
    assert world.coordinator.report(2, 1, report(1, 0.4, sensitivity=0.4, specificity=0.4))


def test_a_failed_unit_ends_its_configuration_and_not_the_study() -> None:
    world = World()
    world.start()
    world.coordinator.failed(0, 1, "the loss is NaN")
    assert world.search.told == [("failed", 0)]
    assert world.start() == (1, 1)


def test_a_configuration_fails_with_a_seed_and_its_other_seeds_are_given_up() -> None:
    world = World(seeds=(1, 2, 3), budget={"configurations": 1})
    world.start()
    world.train(0, 1, 0.5)
    assert (world.start(), world.start()) == ((0, 2), (0, 3))
    world.coordinator.failed(0, 2, "the loss is NaN")
    assert world.search.told[-1] == ("failed", 0)
    assert world.coordinator.report(0, 3, report(1, 0.5))
    assert world.board.unit(0, 3).reason == "given up, as another seed failed"


def test_a_unit_that_waits_for_a_failed_configuration_is_not_taken_up_again() -> None:
    first = World(seeds=(1, 2, 3), budget={"configurations": 1})
    first.start()
    first.train(0, 1, 0.5)
    first.start()
    first.start()
    first.coordinator.failed(0, 2, "the loss is NaN")
    first.coordinator.halt("interrupted")
    first.coordinator.stop()
    second = World(seeds=(1, 2, 3), budget={"configurations": 1}, past=first.heard)
    assert second.start() is None
    assert second.board.unit(0, 3).reason == "given up, as its configuration was"
    assert second.coordinator.over


def test_a_study_that_let_go_of_what_ran_without_saying_so_goes_on() -> None:
    past: list[Event] = [
        StudyStarted((1,)),
        ConfigurationAdded(0, {"patch_mix.beta": 1.0}),
        UnitStarted(0, 1),
        StudyStopped("interrupted", at=5.0),
    ]
    world = World(seeds=(1,), past=past)
    assert world.start() == (0, 1)
    assert world.board.unit(0, 1).attempts[0].ended == 5.0


def test_a_note_is_kept_though_its_epoch_was_heard_before() -> None:
    world = World()
    world.start()
    world.coordinator.report(0, 1, report(1, 0.5))
    world.coordinator.report(0, 1, report(1, 0.5) | {"note": "the checkpoint was damaged"})
    assert world.board.unit(0, 1).notes == ["the checkpoint was damaged"]
    assert len(world.board.unit(0, 1).curve) == 1


def test_a_unit_is_charged_from_when_it_has_a_device() -> None:
    world = World()
    world.coordinator.next_unit(placed=False)
    world.clock.now = 100.0
    assert world.board.gpu_seconds(100.0) == 0
    world.coordinator.place(0, 1)
    assert world.board.gpu_seconds(107.0) == 7.0


def test_units_that_fail_one_after_the_other_halt_the_study() -> None:
    world = World(budget={"gpu_hours": 1})
    for number in range(FAILURES_IN_A_ROW):
        assert world.start() == (number, 1)
        world.coordinator.failed(number, 1, "CUDA error: device-side assert triggered\nTraceback")
    assert world.start() is None
    assert (
        world.coordinator.halted
        == "10 units failed one after the other, at last: CUDA error: device-side assert triggered"
    )


def test_a_full_disk_halts_the_study_and_another_error_does_not() -> None:
    world = World()
    with world.coordinator.halting_on_full_disk():
        raise OSError(errno.ENOSPC, "No space left on device", "optuna.journal")
    assert world.coordinator.halted == "No space left on device: optuna.journal"
    with pytest.raises(OSError, match=r"Input/output"), world.coordinator.halting_on_full_disk():
        raise OSError(errno.EIO, "Input/output error")


def test_a_unit_that_lost_its_worker_comes_first_until_it_did_too_often() -> None:
    world = World(max_failures=1)
    world.start()
    world.coordinator.report(0, 1, report(1, 0.5))
    world.coordinator.lost(0, 1, "node 7 is gone")
    assert world.board.unit(0, 1).state is State.WAITING
    assert world.start() == (0, 1)
    world.coordinator.lost(0, 1, "node 8 is gone\nTraceback")
    unit = world.board.unit(0, 1)
    assert unit.state is State.FAILED
    assert (
        unit.reason
        == "lost its worker more often than resources.max_failures allows: node 8 is gone\nTraceback"
    )


def test_nodes_that_are_taken_back_or_die_are_no_failure_of_a_unit_that_came_on() -> None:
    world = World(max_failures=0)
    world.start()
    for epoch in range(1, 5):
        world.coordinator.lost(0, 1, "taken back", cause="notice")
        assert world.start() == (0, 1)
        world.clock.now += 60
        world.coordinator.report(0, 1, report(epoch, 0.5))
        world.coordinator.lost(0, 1, "node 7 is gone", cause="node")
        assert world.start() == (0, 1)
    assert world.board.unit(0, 1).failures == 0


def test_a_unit_under_which_one_node_after_the_other_dies_may_be_what_kills_them() -> None:
    world = World(max_failures=1)
    world.start()
    for failures in (0, 1):
        world.clock.now += 60
        world.coordinator.lost(0, 1, "a node is gone", cause="node")
        assert world.start() == (0, 1)
        assert world.board.unit(0, 1).failures == failures
    world.coordinator.lost(0, 1, "a node is gone", cause="node")
    assert world.board.unit(0, 1).state is State.FAILED


def test_notice_between_two_deaths_of_nodes_acquits_a_unit_with_long_epochs() -> None:
    world = World(max_failures=0)
    world.start()
    for _ in range(5):
        for cause in ("node", "notice"):
            world.clock.now += 1800
            world.coordinator.lost(0, 1, "gone", cause=cause)
            assert world.start() == (0, 1)
    assert world.board.unit(0, 1).failures == 0


def test_machines_that_lack_what_units_need_halt_the_study_and_fail_nothing() -> None:
    world = World(max_failures=0)
    world.start()
    for _ in range(10):
        world.coordinator.lost(0, 1, "DataPreparationError: no such features\nTraceback", cause="machine")
        assert world.start() == ((0, 1) if world.coordinator.halted is None else None)
    assert (
        world.coordinator.halted
        == "10 times a machine could not run a unit: DataPreparationError: no such features"
    )
    assert world.board.unit(0, 1).failures == 0


def test_one_machine_that_lacks_something_does_not_halt_a_study_that_comes_on_elsewhere() -> None:
    world = World(slots=2)
    world.start()
    world.start()
    for epoch in range(1, 31):
        world.coordinator.report(0, 1, report(epoch, 0.5))
        world.coordinator.lost(1, 1, "DataPreparationError: no such features", cause="machine")
        assert world.start() == (1, 1)
    assert world.coordinator.halted is None


def test_a_full_memory_is_forgiven_once() -> None:
    world = World(max_failures=0)
    world.start()
    world.coordinator.lost(0, 1, "CUDA out of memory", out_of_memory=True)
    assert world.start() == (0, 1)
    assert world.board.unit(0, 1).out_of_memory
    world.coordinator.lost(0, 1, "CUDA out of memory", out_of_memory=True)
    assert (
        world.board.unit(0, 1).reason == "out of memory, with accumulated gradients too: CUDA out of memory"
    )


def test_a_waiting_unit_of_a_failed_configuration_is_given_up() -> None:
    world = World(seeds=(1, 2, 3), budget={"configurations": 1})
    world.start()
    world.train(0, 1, 0.5)
    world.start()
    world.start()
    world.coordinator.lost(0, 2, "node 7 is gone")
    world.coordinator.failed(0, 3, "the loss is NaN")
    assert world.board.unit(0, 2).reason == "given up, as seed 3 failed"
    assert world.search.told[-1] == ("failed", 0)
    assert world.coordinator.over


def test_a_search_without_further_points_ends_a_study() -> None:
    world = World(seeds=(1,), betas=1)
    world.start()
    assert world.start() is None
    assert not world.coordinator.over
    world.train(0, 1, 0.5)
    assert world.coordinator.over


def test_a_halted_study_starts_nothing_and_what_runs_waits() -> None:
    world = World()
    world.start()
    world.coordinator.halt("interrupted")
    world.coordinator.halt("something later")
    assert world.start() is None
    assert world.coordinator.stop() == "interrupted"
    assert world.board.unit(0, 1).state is State.WAITING
    assert world.board.unit(0, 1).failures == 0
    assert world.board.stopped == "interrupted"


def test_a_study_whose_driver_died_goes_on_where_it_was() -> None:
    first = World()
    first.start()
    first.clock.now = 50.0
    first.coordinator.report(0, 1, report(1, 0.5))
    second = World(past=first.heard)
    lost = [event for event in second.heard if isinstance(event, UnitLost)]
    assert [(event.counts, event.reason) for event in lost] == [(False, "its driver died")]
    assert second.start() == (0, 1)
    assert len(second.board.unit(0, 1).curve) == 1
    assert second.start() == (1, 1)


def test_a_configuration_that_was_added_and_not_started_is_started() -> None:
    past: list[Event] = [StudyStarted((1, 2)), ConfigurationAdded(0, {"patch_mix.beta": 1.0})]
    assert World(past=past).start() == (0, 1)


def test_further_seeds_open_a_finished_study_again() -> None:
    first = World(seeds=(1,), budget={"configurations": 1})
    first.play({0: [0.5]})
    assert first.coordinator.stop() == "over"
    second = World(seeds=(1, 2), budget={"configurations": 1}, past=first.heard)
    assert second.start() == (0, 2)


def test_hours_are_a_hard_limit_and_are_counted_over_sessions() -> None:
    scores = {number: [0.5] for number in range(9)}
    first = World(seeds=(1,), budget={"gpu_hours": 5})
    first.play(scores, most=2)
    first.coordinator.halt("interrupted")
    first.coordinator.stop()
    second = World(seeds=(1,), budget={"gpu_hours": 5}, past=first.heard)
    second.clock.now = first.clock.now + 7200
    assert len(second.play(scores)) == 3
    assert second.board.gpu_seconds(second.clock.now) == 5 * 3600


def test_what_still_runs_when_the_hours_are_spent_is_halted() -> None:
    world = World(budget={"wall_clock": 1})
    world.start()
    world.clock.now = 3599
    world.coordinator.keep_to_budget()
    assert world.coordinator.halted is None
    world.clock.now = 3601
    world.coordinator.keep_to_budget()
    assert world.coordinator.halted == "budget spent: wall_clock 1 of 1"
    assert not world.coordinator.interrupted


def test_a_budget_of_units_pays_for_the_race_as_well() -> None:
    scores = {number: [0.5 + 0.01 * number] * 3 for number in range(20)}
    world = World(seeds=(1, 2, 3), budget={"units": 20}, racing=ContendersConfig())
    assert len(world.play(scores)) in (19, 20)
    assert len(world.board.ranking()) >= 3


def test_the_events_of_a_study_give_its_board_back() -> None:
    world = World(seeds=(1,), bar=0.3, budget={"configurations": 3})
    for _ in range(3):
        world.start()
    world.train(0, 1, 0.4, 0.6)
    world.coordinator.report(1, 1, report(1, 0.1))
    world.coordinator.failed(2, 1, "the loss is NaN")
    world.coordinator.stop()
    assert Board(events=world.heard).configurations == world.board.configurations
    assert [type(event) for event in world.heard] == [
        StudyStarted,
        *(3 * [ConfigurationAdded, UnitStarted]),
        *(2 * [EpochReported]),
        UnitFinished,
        EpochReported,
        UnitPruned,
        UnitFailed,
        StudyStopped,
    ]
