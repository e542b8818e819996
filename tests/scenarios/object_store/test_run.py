"""How long the end of a study on an object store waits for it."""

import contextlib
from pathlib import Path
from typing import Any

import pytest

from sweep.driver.display import NoDisplay
from sweep.driver.driver import InterruptedStudyError
from sweep.driver.run import CLOSE_S, CLOSE_SOON_S, mirrored
from sweep.folder.mirror import Mirror
from sweep.folder.study_folder import StudyFolder


@pytest.mark.parametrize(
    ("end", "waits_s"),
    [
        (None, CLOSE_S),
        (InterruptedStudyError("a full disk"), CLOSE_SOON_S),
        (InterruptedStudyError("interrupted", at_once=True), 0.0),
        (KeyboardInterrupt(), 0.0),
        (RuntimeError(), CLOSE_SOON_S),
    ],
)
def test_a_study_that_is_to_stop_at_once_waits_for_nothing(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: BaseException | None, waits_s: float
) -> None:
    waited = []
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path))
    monkeypatch.setattr(Mirror, "close", lambda mirror, timeout_s: waited.append(timeout_s))
    folder = StudyFolder.at(s3.place("lab"), "one")
    raised = contextlib.nullcontext() if end is None else pytest.raises(type(end))
    with raised, folder.lock() as lock, mirrored(folder, lock, NoDisplay()):
        if end is not None:
            raise end
    assert waited == [waits_s]
