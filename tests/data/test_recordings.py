from pathlib import Path

import pytest

from data.recordings import read_recordings
from data.settings import ConfigError


@pytest.mark.parametrize("task", [None, "icbhi"])
def test_icbhis_layout_has_one_task_that_need_not_be_named(recordings: Path, task: str | None) -> None:
    data = read_recordings(recordings, task)
    assert data.task.name == "icbhi"
    assert data.parts == ("train", "test")
    assert len(data.recordings) == 3


def test_a_task_that_the_recordings_do_not_have_is_refused(recordings: Path) -> None:
    with pytest.raises(ConfigError, match=r"recordings: .* have no task 1-2; expected icbhi"):
        read_recordings(recordings, "1-2")
    with pytest.raises(ConfigError, match="no task is called 'lungs'"):
        read_recordings(recordings, "lungs")
