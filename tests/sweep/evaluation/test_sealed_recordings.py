"""Recordings of the test part are known again by their bytes, and not by their length or name."""

import shutil
from pathlib import Path

import pytest

from data.dataset import SealedPartError
from data.recordings import read_recordings
from sweep.evaluation.recordings_of import recordings_of
from sweep.evaluation.sealed_recordings import sealed_recordings
from sweep.folder.study_folder import StudyFolder


def test_the_bytes_tell_a_recording_of_the_test_part(first: StudyFolder, tmp_path: Path) -> None:
    recordings, sealed = read_recordings(recordings_of(first)), sealed_recordings(first)
    assert sealed.unknown is None
    assert sum(map(len, sealed.by_size.values())) == len(recordings.part("test"))
    for recording in recordings.part("train"):
        sealed.check(recording.path)
    copy = Path(shutil.copy(recordings.part("test")[1].path, tmp_path / "mine.wav"))
    with pytest.raises(SealedPartError):
        sealed.check(copy)
    copy.write_bytes(copy.read_bytes()[:-1] + b"\x07")
    sealed.check(copy)
    sealed.check(tmp_path / "gone.wav")


def test_where_the_recordings_are_not_here_nothing_is_refused_and_that_is_said(
    first: StudyFolder, tmp_path: Path
) -> None:
    here = recordings_of(first)
    first.write_config(first.config().model_copy(update={"data": str(tmp_path / "away")}))
    sealed = sealed_recordings(first)
    assert sealed.by_size == {}
    assert sealed.unknown is not None
    assert "away: found nothing there" in sealed.unknown
    moved = sealed_recordings(first, here)
    assert moved.unknown is None
    assert moved.by_size
