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


@pytest.mark.filterwarnings("ignore:.*a subset")
@pytest.mark.parametrize(
    "around", ["SPRSound-main", "SPRSound-main/Classification/BioCAS2022", "download/a b/c/d"]
)
def test_sprsound_in_a_folder_of_any_name_is_found_and_said(
    tmp_path: Path, children: Path, around: str
) -> None:
    inner = tmp_path / "outer" / around
    inner.parent.mkdir(parents=True)
    children.rename(inner)
    (tmp_path / "outer" / "__MACOSX").mkdir()
    found = read_recordings(tmp_path / "outer", "1-2")
    assert len(found.recordings) == 4
    assert f"recordings: {inner / 'train_wav'}" in found.read
    assert f"annotations: {inner / 'test_json' / 'intra_test_json'}" in found.read


@pytest.mark.filterwarnings("ignore:.*a subset")
def test_archives_of_sprsound_each_in_a_folder_of_its_name_are_found(children: Path) -> None:
    for folder in list(children.iterdir()):
        aside = folder.rename(children / "aside")
        folder.mkdir()
        aside.rename(folder / folder.name)
    found = read_recordings(children.parent, "1-2")
    assert len(found.recordings) == 4
    assert f"recordings: {children / 'train_wav' / 'train_wav'}" in found.read


def test_sprsound_beside_other_recordings_is_asked_back(children: Path, recordings: Path) -> None:
    with pytest.raises(DataError, match="recordings in several folders, "):
        read_recordings(children.parent, "icbhi")


def test_of_several_tasks_one_must_be_named(children: Path) -> None:
    with pytest.raises(ConfigError, match=r"have the tasks icbhi, 1-1, 1-2, 2-1, 2-2; name one with --task"):
        read_recordings(children)
