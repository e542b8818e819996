import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sweep.folder.lock import LockedError, StudyLock

HOLD = """
import sys, time
from pathlib import Path
from sweep.folder.lock import StudyLock
with StudyLock(Path(sys.argv[1])) as lock:
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_study_has_one_driver_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    lock = StudyLock(tmp_path)
    with pytest.raises(
        LockedError, match=rf"in use by process {holder.pid} on .*, since .*; wait for its end"
    ):
        lock.__enter__()
    assert f"process {holder.pid}" in (lock.held_by() or "")

    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    assert lock.held_by() is None
    with lock:
        # From the moment on in which it is taken, and not only when its holder has looked at the study and begun.
        assert f"process {os.getpid()}" in (StudyLock(tmp_path).held_by() or "")


def test_a_lock_that_was_let_go_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        with StudyLock(tmp_path):
            assert f"process {os.getpid()} on " in (StudyLock(tmp_path).held_by() or "")
    assert StudyLock(tmp_path).held_by() is None


def test_who_may_only_read_is_told_who_holds_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "driver.lock")

    reader = StudyLock(tmp_path)
    monkeypatch.setattr(reader._lock, "acquire", refuses)
    assert reader.held_by() is None
    assert [*tmp_path.iterdir()] == [], "who looks leaves nothing behind"
    assert reader.held_by() is None
    with StudyLock(tmp_path):
        assert f"process {os.getpid()} on " in (reader.held_by() or "")
    assert reader.held_by() is None


def test_of_many_who_look_none_is_taken_for_a_holder_and_a_driver_gets_its_lock(tmp_path: Path) -> None:
    with StudyLock(tmp_path):
        pass
    path = tmp_path / "driver.lock"
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert StudyLock(tmp_path).held_by() is None
        looked = threading.Timer(0.2, file.close)
        looked.start()
        with StudyLock(tmp_path):
            assert StudyLock(tmp_path).is_held()
        looked.join()


def test_the_last_sign_of_life_is_the_last_beat(tmp_path: Path) -> None:
    lock = StudyLock(tmp_path)
    assert lock.last_sign() is None
    lock.sign()
    lock.beat(1.0)
    assert lock.last_sign() == 1.0


def test_a_holder_that_has_not_signed_keeps_the_last_sign_of_the_one_before(tmp_path: Path) -> None:
    with StudyLock(tmp_path) as lock:
        # Nobody signed: this one may still be refused by what it finds.
        assert lock.last_sign() is None
        lock.sign()
    os.utime(tmp_path / "driver.json", (1.0, 1.0))
    for _ in range(2):
        with StudyLock(tmp_path) as lock:
            assert lock.last_sign() == StudyLock(tmp_path).last_sign() == 1.0
    with StudyLock(tmp_path) as lock:
        lock.sign()
        assert (lock.last_sign() or 0) > 1.0


def test_a_lock_whose_card_cannot_be_written_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "driver.json")

    with monkeypatch.context() as patched:
        patched.setattr("sweep.folder.lock.write_whole", full)
        with pytest.raises(OSError, match="No space left"):
            StudyLock(tmp_path).__enter__()
    assert StudyLock(tmp_path).held_by() is None


def test_a_card_that_is_something_else_names_nobody(tmp_path: Path) -> None:
    with StudyLock(tmp_path):
        for content in ("", "[]", '{"pid": 1}', "[" * 10**5, "\x00", '{"last_sign": 1, "host": "a"}'):
            (tmp_path / "driver.json").write_text(content)
            assert StudyLock(tmp_path).held_by() == "another process"
            assert StudyLock(tmp_path).last_sign() is not None


def test_a_known_hostile_card_names_nobody(cases: Path, tmp_path: Path) -> None:
    with StudyLock(tmp_path):
        shutil.copyfile(cases / "hostile" / "23_driver_list" / "driver.json", tmp_path / "driver.json")
        assert StudyLock(tmp_path).held_by() == "another process"


@pytest.mark.parametrize("written", ['"soon"', "1e300", "-1", "true", "[]", "null", "9" * 400])
def test_a_last_sign_that_is_no_time_is_none(tmp_path: Path, written: str) -> None:
    (tmp_path / "driver.json").write_text(f'{{"last_sign": {written}}}')
    assert StudyLock(tmp_path).last_sign() is None


def test_whatever_a_card_says_of_its_holder_is_one_short_line(tmp_path: Path) -> None:
    with StudyLock(tmp_path):
        for host in ("two\nlines\r\x1b[2J", "x" * 100_000):
            (tmp_path / "driver.json").write_text(json.dumps({"host": host, "pid": 1, "since": "now"}))
            held = StudyLock(tmp_path).held_by()
            assert held is not None
            assert held.isprintable()
            assert held.startswith("process 1 on ")
            assert len(held) <= 1000
