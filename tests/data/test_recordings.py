from pathlib import Path

import pytest

from data.errors import DataError
from data.recordings import read_recordings
from data.settings import ConfigError
from data.task import TASKS


@pytest.mark.parametrize("task", [None, "icbhi"])
def test_icbhis_layout_has_one_task_that_need_not_be_named(recordings: Path, task: str | None) -> None:
    data = read_recordings(recordings, task)
    assert data.task.name == "icbhi"
    assert data.parts == ("train", "test")
    assert len(data.recordings) == 3


def test_a_task_that_the_recordings_do_not_have_is_refused(recordings: Path) -> None:
    with pytest.raises(ConfigError, match=r"recordings: .* have no task 1-2; expected icbhi$"):
        read_recordings(recordings, "1-2")
    with pytest.raises(ConfigError, match="no task is called 'lungs'"):
        read_recordings(recordings, "lungs")


@pytest.mark.parametrize("task", [None, "1-2"])
def test_a_folder_without_recordings_is_named_before_the_task_is_judged(
    tmp_path: Path, task: str | None
) -> None:
    with pytest.raises(DataError, match="nope: found nothing there; expected a folder with recordings"):
        read_recordings(tmp_path / "nope", task)
    with pytest.raises(DataError, match=r"no recordings; expected .wav or .flac files"):
        read_recordings(tmp_path, task)


@pytest.mark.filterwarnings("ignore:.*a subset")
@pytest.mark.parametrize("task", ["icbhi", "1-1", "1-2", "2-1", "2-2"])
def test_sprsounds_layout_has_five_tasks(children: Path, task: str) -> None:
    assert read_recordings(children, task).task is TASKS[task]


def test_of_several_tasks_one_must_be_named(children: Path) -> None:
    with pytest.raises(ConfigError, match=r"have the tasks icbhi, 1-1, 1-2, 2-1, 2-2; name one with --task"):
        read_recordings(children)
