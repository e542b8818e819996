import pytest

from sweep.study.board import Board
from sweep.study.events import (
    ConfigurationAdded,
    ConfigurationDropped,
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
from sweep.study.units import Fate, State, unit_id
from tests.sweep.histories import added, epoch, trained


def test_a_unit_is_known_by_its_configuration_and_seed() -> None:
    board = Board([7], [*added(0), UnitStarted(0, 7)])
    assert board.unit(0, 7).id == unit_id(0, 7) == "0000-seed7"


def test_the_selected_epoch_stands_for_a_unit() -> None:
    board = Board([1], [*added(0), *trained(0, 1, 0.4, 0.6)[:-1], UnitFinished(0, 1, 1)])
    unit = board.unit(0, 1)
    assert unit.state is State.FINISHED
    assert unit.selected == epoch(1, 0.4)


def test_an_epoch_that_is_told_again_counts_once() -> None:
    told_again = [EpochReported(0, 1, epoch(1, 0.4)), EpochReported(0, 1, epoch(1, 0.9))]
    board = Board([1], [*added(0), UnitStarted(0, 1), *told_again])
    assert board.unit(0, 1).curve == [epoch(1, 0.4)]


def test_a_configuration_is_summed_up_over_its_finished_seeds() -> None:
    events = [*added(0), *trained(0, 1, 0.5), *trained(0, 2, 0.7), UnitStarted(0, 3)]
    configuration = Board([1, 2, 3], events).configurations[0]
    score, sensitivity = configuration.summary(), configuration.summary("sensitivity")
    assert score is not None
    assert sensitivity is not None
    assert (score.mean, score.sd, score.seeds) == pytest.approx((0.6, 0.02**0.5, 2))
    assert sensitivity.mean == pytest.approx(0.5)
    assert str(score) == "60.0 ± 14.1 %"


def test_a_configuration_without_a_finished_seed_has_no_summary() -> None:
    assert Board([1], added(0)).configurations[0].summary() is None


@pytest.mark.parametrize("end", [UnitPruned(0, 1, "low"), UnitFailed(0, 1, "NaN")])
def test_a_stopped_unit_ends_its_configuration(end: Event) -> None:
    board = Board([1, 2], [*added(0), UnitStarted(0, 1), end])
    assert board.fate(0) in (Fate.PRUNED, Fate.FAILED)
    assert board.scores.open.tolist() == [False]
    assert board.unit(0, 1).reason in ("low", "NaN")


def test_a_dropped_configuration_keeps_its_scores_and_is_not_ranked() -> None:
    board = Board([1], [*added(0), *trained(0, 1, 0.5)])
    assert board.fate(0) is Fate.COMPLETE
    board.apply(StudyStarted((1, 2)))
    assert board.fate(0) is Fate.OPEN
    board.apply(ConfigurationDropped(0, "behind"))
    assert board.fate(0) is Fate.DROPPED
    assert board.configurations[0].finished_values("score") == [0.5]
    assert board.ranking() == []


def test_a_unit_that_lost_its_worker_waits_and_goes_on() -> None:
    events = [*added(0), UnitStarted(0, 1), EpochReported(0, 1, epoch(1, 0.4)), UnitLost(0, 1, "gone")]
    board = Board([1], events)
    assert list(board.waiting) == [(0, 1)]
    assert (board.unit(0, 1).failures, board.unit(0, 1).reason) == (1, "gone")
    board.apply(UnitStarted(0, 1))
    assert not board.waiting
    board.apply(EpochReported(0, 1, epoch(2, 0.5)))
    assert [report["epoch"] for report in board.unit(0, 1).curve] == [1, 2]
    assert board.unit(0, 1).reason is None


def test_a_loss_that_is_the_drivers_is_no_failure_of_the_unit() -> None:
    board = Board([1], [*added(0), UnitStarted(0, 1), UnitLost(0, 1, "its driver died", counts=False)])
    assert board.unit(0, 1).failures == 0


def test_device_time_is_that_of_all_attempts() -> None:
    board = Board(
        events=[
            StudyStarted((1,), gpus=0.5),
            *added(0),
            UnitStarted(0, 1, at=10.0),
            EpochReported(0, 1, epoch(1, 0.4), at=15.0),
            UnitLost(0, 1, "gone", at=18.0),
            UnitStarted(0, 1, at=30.0),
        ],
    )
    assert board.gpu_seconds(31.0) == 0.5 * (8 + 1)
    board.apply(UnitFinished(0, 1, 1, at=34.0))
    assert board.gpu_seconds(99.0) == 0.5 * (8 + 4)
    assert board.device_seconds == {State.FINISHED: 12.0}


@pytest.mark.parametrize("again", [500.0, 40.0], ids=["later", "by a clock that was set back"])
def test_the_time_of_a_study_is_that_of_its_drivers(again: float) -> None:
    events = [
        StudyStarted((1,), at=100.0),
        StudyStopped("interrupted", at=160.0),
        StudyStarted((1,), at=again),
    ]
    board = Board(events=events)
    assert board.wall_seconds(again + 7.0) == 67.0
    assert board.stopped is None


def test_further_seeds_come_after_those_that_are_there() -> None:
    board = Board(events=[StudyStarted((1, 2)), StudyStopped("over")])
    with pytest.raises(ValueError, match=r"seeds \[2, 1\] do not begin with those so far, \[1, 2\]"):
        board.apply(StudyStarted((2, 1)))


def test_only_configurations_with_every_seed_are_ranked() -> None:
    whole = [*trained(0, 1, 0.5), *trained(0, 2, 0.5), *trained(1, 1, 0.6), *trained(1, 2, 0.8)]
    board = Board([1, 2], [*added(0, 1, 2), *whole, *trained(2, 1, 0.99)])
    assert [configuration.number for configuration in board.ranking()] == [1, 0]
    best = board.best()
    assert best is not None
    assert best.number == 1


def test_equal_scores_rank_in_the_order_they_came() -> None:
    board = Board([1], [*added(0, 1, 2), *trained(1, 1, 0.5), *trained(2, 1, 0.6), *trained(0, 1, 0.5)])
    assert [configuration.number for configuration in board.ranking()] == [2, 0, 1]


def test_an_empty_board_has_no_best() -> None:
    assert Board([1]).best() is None


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        (ConfigurationAdded(2, {}), "configuration 2 cannot follow 1 others"),
        (ConfigurationAdded(0, {}), "configuration 0 cannot follow 1 others"),
        (UnitStarted(0, 1), "0000-seed1 was already started"),
        (UnitStarted(0, 3), r"seed 3 is not among the study's \[1, 2\]"),
        (UnitStarted(1, 1), "no configuration 1 among 1"),
        (ConfigurationDropped(0, "behind"), "configuration 0 is not open, or still runs"),
        (StudyStopped("over"), "no driver holds the study"),
        (UnitStarted(-1, 2), "no configuration -1 among 1"),
        (EpochReported(0, 2, epoch(1, 0.5)), "0000-seed2 was not started"),
        (UnitFinished(0, 1, 2), "0000-seed1 reported 1 epochs, so epoch 2 cannot stand for it"),
        (UnitFinished(0, 1, 0), "0000-seed1 reported 1 epochs, so epoch 0 cannot stand for it"),
    ],
)
def test_an_event_that_cannot_follow_is_refused(event: Event, complaint: str) -> None:
    board = Board([1, 2], [*added(0), UnitStarted(0, 1), EpochReported(0, 1, epoch(1, 0.5))])
    with pytest.raises(ValueError, match=complaint):
        board.apply(event)
    assert board.unit(0, 1).state is State.RUNNING


@pytest.mark.parametrize(
    "event",
    [
        EpochReported(0, 1, epoch(2, 0.5)),
        UnitFinished(0, 1, 1),
        UnitPruned(0, 1, "low"),
        UnitLost(0, 1, "gone"),
        UnitFailed(0, 1, "NaN"),
    ],
)
def test_nothing_happens_to_a_unit_that_is_over(event: Event) -> None:
    board = Board([1], [*added(0), *trained(0, 1, 0.5)])
    with pytest.raises(ValueError, match=r"0000-seed1 is finished, (not running|so it cannot end again)"):
        board.apply(event)


def test_the_board_keeps_its_own_copy_of_an_event() -> None:
    values, report = {"patch_mix.beta": 1.0}, epoch(1, 0.5)
    board = Board([1], [ConfigurationAdded(0, values), UnitStarted(0, 1), EpochReported(0, 1, report)])
    values["patch_mix.beta"] = 2.0
    report["score"] = 1.0
    assert board.configurations[0].values == {"patch_mix.beta": 1.0}
    assert board.unit(0, 1).curve[0]["score"] == 0.5
