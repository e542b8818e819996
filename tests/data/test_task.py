import pytest

from data.settings import ConfigError
from data.task import ICBHI, TASKS, task_named


def test_icbhis_four_classes_begin_with_normal() -> None:
    assert ICBHI.labels == ("normal", "crackle", "wheeze", "both")
    assert (ICBHI.num_classes, ICBHI.score) == (4, "average")


def test_sprsounds_tasks_have_two_seven_three_and_five_classes() -> None:
    assert [TASKS[name].num_classes for name in ("1-1", "1-2", "2-1", "2-2")] == [2, 7, 3, 5]
    assert [TASKS[name].whole_recordings for name in ("1-1", "1-2", "2-1", "2-2")] == [
        False,
        False,
        True,
        True,
    ]
    assert {TASKS[name].score for name in ("1-1", "1-2", "2-1", "2-2")} == {"challenge"}
    assert {task.labels[0] for task in TASKS.values()} == {"normal"}


def test_always_answering_normal_scores_a_half_by_icbhis_score_and_a_quarter_by_the_challenges() -> None:
    assert ICBHI.always_normal_score == 0.5
    assert {TASKS[name].always_normal_score for name in ("1-1", "1-2", "2-1", "2-2")} == {0.25}


def test_a_task_is_found_by_its_name() -> None:
    assert all(task_named(task.name) is task for task in TASKS.values())


def test_an_unknown_task_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        ConfigError, match=r"no task is called '3-1'; expected one of icbhi, 1-1, 1-2, 2-1, 2-2"
    ):
        task_named("3-1")
