"""What is away is asked again, and what refuses is not."""

import errno

import pytest

from sweep.storage import patience
from sweep.storage.patience import may_pass, patiently
from sweep.storage.storage import RefusedError, StorageAwayError


def test_what_is_away_is_asked_again_and_what_refuses_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "RETRY_AFTER_S", 0.0)
    answers: list[Exception | str] = [OSError("Connection refused"), TimeoutError(), "here"]

    def ask() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(ask) == "here"
    for refusal in (PermissionError(), FileNotFoundError(), NotADirectoryError(), RefusedError("403")):
        answers = [refusal, "here"]
        with pytest.raises(type(refusal)):
            patiently(ask)
        assert answers == ["here"]


def test_a_full_or_read_only_disk_does_not_pass() -> None:
    assert not may_pass(OSError(errno.ENOSPC, "No space left on device"))
    assert not may_pass(OSError(errno.EROFS, "Read-only file system"))
    assert may_pass(OSError("no answer"))
    assert may_pass(StorageAwayError("no answer"))
