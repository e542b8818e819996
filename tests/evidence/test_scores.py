"""Rates and scores against hand counts and golden/ast_sam/icbhi_metrics."""

import statistics
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.task import TASKS, Task
from evidence.scores import (
    average_score,
    challenge_score,
    confusion_matrix,
    harmonic_score,
    recall_per_class,
    score,
    sensitivity,
    specificity,
)
from tests.goldens import facts


def icbhi_score(confusion: np.ndarray, any_abnormal: bool = False) -> float | None:
    return score(confusion, "average", any_abnormal)


MEASURED = {
    "specificity": specificity,
    "sensitivity_strict": sensitivity,
    "score_strict": icbhi_score,
    "sensitivity_any_abnormal": lambda confusion: sensitivity(confusion, any_abnormal=True),
    "score_any_abnormal": lambda confusion: icbhi_score(confusion, any_abnormal=True),
}


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return facts("ast_sam/icbhi_metrics")


def fraction(expected: dict[str, Any] | None) -> float | None:
    return None if expected is None else float(Fraction(expected["fraction"]))


def test_every_golden_case_is_matched(golden: dict[str, Any]) -> None:
    cases = [*golden["cases"].values(), golden["labels_case"]]
    assert len(cases) == 12
    for case in cases:
        confusion = np.array(case["confusion_matrix"])
        for name, measure in MEASURED.items():
            assert measure(confusion) == pytest.approx(fraction(case["expected"][name]), abs=1e-11), name
        recalls = [fraction(recall) for recall in case["expected"]["recall_per_class"]]
        assert recall_per_class(confusion) == pytest.approx(recalls, abs=1e-11)


def test_macro_averages_are_not_the_score(golden: dict[str, Any]) -> None:
    for name in ("small_mixed", "official_test_shape", "official_train_shape", "all_crackle"):
        case = golden["cases"][name]
        score = icbhi_score(np.array(case["confusion_matrix"]))
        assert score != pytest.approx(fraction(case["expected"]["NOT_ICBHI_macro_average"]), abs=0.01)


def test_rows_are_truth_and_columns_prediction(golden: dict[str, Any]) -> None:
    case = golden["labels_case"]
    confusion = confusion_matrix(np.array(case["y_true"]), np.array(case["y_pred"]), classes=4)
    assert confusion.tolist() == case["confusion_matrix"]


def test_each_run_of_an_aggregate_is_scored_alone(golden: dict[str, Any]) -> None:
    runs = golden["aggregation_over_runs"]
    for name, expected in runs["expected"].items():
        percents = [100 * MEASURED[name](np.array(confusion)) for confusion in runs["confusion_matrices"]]
        assert percents == pytest.approx(expected["per_run"], abs=1e-9)
        assert statistics.mean(percents) == pytest.approx(expected["mean"], abs=1e-9)
        assert statistics.stdev(percents) == pytest.approx(expected["std_sample"], abs=1e-9)


def test_three_published_rows_do_not_add_up(golden: dict[str, Any]) -> None:
    rows = golden["published_rows"]
    for row in rows:
        assert (row["sp"] + row["se"]) / 2 == pytest.approx(row["score_from_sp_se"], abs=1e-9)
        agrees = abs(row["score_from_sp_se"] - row["score_printed"]) <= 0.02
        assert agrees == row["agrees_within_0_02"]
    assert sum(not row["agrees_within_0_02"] for row in rows) == 3


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_strict_never_exceeds_any_abnormal(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    confusion = confusion_matrix(truth, predicted, classes=4)
    assert confusion.sum() == len(pairs)
    strict, any_abnormal = sensitivity(confusion), sensitivity(confusion, any_abnormal=True)
    if strict is None or any_abnormal is None:
        assert strict is any_abnormal
    else:
        assert 0 <= strict <= any_abnormal <= 1


def test_a_label_beyond_the_classes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"predicted: labels run from 0 to 4; .* 0\.\.3"):
        confusion_matrix(np.array([0, 1]), np.array([0, 4]), classes=4)


def test_a_wheeze_called_crackle_is_found_by_any_abnormal_alone() -> None:
    confusion = confusion_matrix(np.array([0, 2]), np.array([0, 1]), classes=4)
    assert (specificity(confusion), sensitivity(confusion), icbhi_score(confusion)) == (1.0, 0.0, 0.5)
    assert sensitivity(confusion, any_abnormal=True) == icbhi_score(confusion, any_abnormal=True) == 1.0


def test_nothing_scored_leaves_everything_undefined() -> None:
    empty = np.array([], dtype=np.int64)
    confusion = confusion_matrix(empty, empty, classes=4)
    assert specificity(confusion) is sensitivity(confusion) is icbhi_score(confusion) is None
    assert score(confusion, "challenge") is None


def test_the_challenges_tasks_are_scored_by_the_mean_of_arithmetic_and_harmonic_mean() -> None:
    # SP 8/10, SE 3/6, any abnormal 5/6: AS 0.65, HS 0.8/1.3, and with any abnormal AS 49/60, HS 40/49.
    confusion = np.array([[8, 1, 1], [0, 2, 1], [1, 1, 1]])
    assert score(confusion, "challenge") == pytest.approx((0.65 + 0.8 / 1.3) / 2)
    assert score(confusion, "challenge", any_abnormal=True) == pytest.approx((49 / 60 + 40 / 49) / 2)


def test_icbhis_task_is_scored_by_the_arithmetic_mean() -> None:
    confusion = np.diag([4, 3, 2, 1])
    confusion[1, 2] = 4
    assert icbhi_score(confusion) == pytest.approx((1 + 0.6) / 2)
    assert icbhi_score(confusion, any_abnormal=True) == 1.0


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_nothing_right_scores_nothing(task: Task) -> None:
    confusion = np.zeros((task.num_classes, task.num_classes), dtype=int)
    confusion[0, 1] = confusion[1, 0] = 4
    assert score(confusion, task.score) == 0.0


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_always_answering_normal_scores_what_the_task_says(task: Task) -> None:
    confusion = np.zeros((task.num_classes, task.num_classes), dtype=int)
    confusion[:, 0] = 3
    assert score(confusion, task.score) == task.always_normal_score


def test_scores_are_means_of_two_rates() -> None:
    assert average_score(0.8, 0.5) == pytest.approx(0.65)
    assert harmonic_score(0.8, 0.5) == pytest.approx(0.8 / 1.3)
    assert challenge_score(0.8, 0.5) == pytest.approx((0.65 + 0.8 / 1.3) / 2)
    assert harmonic_score(0.0, 0.0) == challenge_score(0.0, 0.0) == 0.0
