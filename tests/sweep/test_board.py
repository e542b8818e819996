import pytest

from sweep.board import (
    Board,
    ConfigurationAdded,
    EpochReported,
    Event,
    State,
    Summary,
    UnitFailed,
    UnitFinished,
    UnitPruned,
    UnitStarted,
    unit_id,
)


def epoch(number: int, score: float) -> dict[str, float]:
    return {
        "epoch": number,
        "score": score,
        "sensitivity": score - 0.1,
        "specificity": score + 0.1,
        "any_abnormal_score": score + 0.2,
    }


def trained(configuration: int, seed: int, *scores: float) -> list[Event]:
    curve = [EpochReported(configuration, seed, epoch(i, score)) for i, score in enumerate(scores, 1)]
    return [UnitStarted(configuration, seed), *curve, UnitFinished(configuration, seed, len(scores))]


def added(*configurations: int) -> list[Event]:
    return [ConfigurationAdded(number, {"patch_mix.beta": float(number)}) for number in configurations]


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
    assert str(score) == "0.600 ± 0.141"


def test_one_seed_has_a_mean_and_no_deviation() -> None:
    assert Summary.of([0.5]) == Summary(0.5, None, 1)
    assert str(Summary.of([0.5])) == "0.500"


def test_a_configuration_without_a_finished_seed_has_no_summary() -> None:
    assert Board([1], added(0)).configurations[0].summary() is None


def test_further_seeds_wait_for_the_first() -> None:
    board = Board([1, 2, 3], added(0))
    assert board.waiting_unit() == (0, 1)
    board.apply(UnitStarted(0, 1))
    assert board.waiting_unit() is None
    for event in trained(0, 1, 0.5)[1:]:
        board.apply(event)
    assert board.waiting_unit() == (0, 2)
    board.apply(UnitStarted(0, 2))
    assert board.waiting_unit() == (0, 3)


@pytest.mark.parametrize("end", [UnitPruned(0, 1, "low"), UnitFailed(0, 1, "NaN")])
def test_a_stopped_configuration_gets_no_further_seed(end: Event) -> None:
    board = Board([1, 2], [*added(0), UnitStarted(0, 1), end])
    assert board.waiting_unit() is None
    assert board.configurations[0].over(board.seeds)
    assert not board.configurations[0].complete(board.seeds)
    assert board.unit(0, 1).reason in ("low", "NaN")


def test_a_failed_configuration_is_not_over_while_another_seed_runs() -> None:
    events = [*added(0), *trained(0, 1, 0.5), UnitStarted(0, 2), UnitStarted(0, 3), UnitFailed(0, 2, "NaN")]
    configuration = Board([1, 2, 3], events).configurations[0]
    assert configuration.settled
    assert not configuration.over([1, 2, 3])


def test_the_earlier_configuration_gets_its_seeds_first() -> None:
    board = Board([1, 2], [*added(0, 1), *trained(1, 1, 0.9), *trained(0, 1, 0.1)])
    assert board.waiting_unit() == (0, 2)


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
        (UnitStarted(1, 1), "no configuration 1 among 1"),
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
        UnitFailed(0, 1, "NaN"),
    ],
)
def test_nothing_happens_to_a_unit_that_is_over(event: Event) -> None:
    board = Board([1], [*added(0), *trained(0, 1, 0.5)])
    with pytest.raises(ValueError, match="0000-seed1 is finished, not running"):
        board.apply(event)


def test_the_board_keeps_its_own_copy_of_an_event() -> None:
    values, report = {"patch_mix.beta": 1.0}, epoch(1, 0.5)
    board = Board([1], [ConfigurationAdded(0, values), UnitStarted(0, 1), EpochReported(0, 1, report)])
    values["patch_mix.beta"] = 2.0
    report["score"] = 1.0
    assert board.configurations[0].values == {"patch_mix.beta": 1.0}
    assert board.unit(0, 1).curve[0]["score"] == 0.5
