import pytest

from model.training.epoch_metrics import EpochMetrics, select_epoch
from tests.model.training.tiny_run import recipe


def metrics(epoch: int, confusion: list[list[int]]) -> EpochMetrics:
    return EpochMetrics(epoch, 0.0, 0.0, {}, 0.0, 0, 0.0, confusion)


def test_the_last_epoch_stands_for_a_run_unless_the_best_is_asked_for() -> None:
    blind = [[8, 0, 0, 0], [4, 0, 0, 0], [2, 0, 0, 0], [2, 0, 0, 0]]
    good = [[6, 2, 0, 0], [1, 3, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]]
    poor = [[1, 7, 0, 0], [2, 2, 0, 0], [1, 0, 1, 0], [2, 0, 0, 0]]
    history = [metrics(1, blind), metrics(2, good), metrics(3, poor)]
    assert select_epoch(history, recipe()).epoch == 3
    assert select_epoch(history, recipe(selection="best")).epoch == 2
    assert select_epoch(history[:1], recipe(selection="best")).epoch == 1


def test_the_best_epoch_is_the_best_by_the_objective() -> None:
    strict = [[6, 2, 0, 0], [1, 3, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]]
    confused = [[7, 1, 0, 0], [0, 1, 3, 0], [0, 1, 1, 0], [0, 1, 0, 1]]
    balanced = [[5, 3, 0, 0], [1, 3, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]]
    history = [metrics(1, strict), metrics(2, confused), metrics(3, balanced)]
    best = recipe(selection="best")
    assert (history[0].score, history[2].score) == (0.6875, 0.625)
    assert select_epoch(history, best).epoch == 1
    assert select_epoch(history, best, "any_abnormal").epoch == 2
    assert select_epoch(history, best, "harmonic").epoch == 1
    blind = metrics(4, [[8, 0, 0, 0], [3, 1, 0, 0], [1, 0, 1, 0], [2, 0, 0, 0]])
    # 1.0 and 0.25: the mean is 0.625, as 0.625 and 0.625 make it, and the harmonic mean 0.4.
    assert select_epoch([blind, history[2]], best).epoch == 4
    assert select_epoch([blind, history[2]], best, "harmonic").epoch == 3
    assert history[2].harmonic_score == pytest.approx(0.625)
    assert select_epoch(history, recipe(), "any_abnormal").epoch == 3


def test_metrics_are_scored_as_their_task_is() -> None:
    confusion = [[8, 1, 1], [0, 2, 1], [1, 1, 1]]
    of_recordings = EpochMetrics(1, 0.0, 0.0, {}, 0.0, 0, 0.0, confusion, task="2-1")
    assert (of_recordings.specificity, of_recordings.sensitivity) == (0.8, 0.5)
    assert of_recordings.score == pytest.approx((0.65 + 0.8 / 1.3) / 2)
    assert of_recordings.any_abnormal_score == pytest.approx((49 / 60 + 40 / 49) / 2)
    assert metrics(1, confusion).score == pytest.approx(0.65)
