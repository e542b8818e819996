import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweep.folder import lease
from sweep.folder.lease import LeasedLock
from sweep.folder.lock import LockedError, StudyLock
from sweep.storage.storage import Storage, StorageError, open_storage

HOLD = """
import sys, time
from pathlib import Path
from sweep.folder.lease import LeasedLock
from sweep.storage.storage import open_storage
with LeasedLock(Path(sys.argv[1]), open_storage(sys.argv[2])) as lock:
    lock.sign()
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["s3", "file", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    match request.param:
        case "s3":
            return open_storage(request.getfixturevalue("s3").place("lab/one"))
        case "file":
            return open_storage(f"file://{tmp_path}/lab/one")
        case _:
            return open_storage(f"memory://{tmp_path.name}/lab/one")


@pytest.fixture
def stored(s3: Any) -> Storage:
    return open_storage(s3.place("lab/one"))


def held(storage: Storage, copy: Path) -> subprocess.Popen[str]:
    """A process that holds the lease."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(copy), storage.place], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def killed(holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()


def content(storage: Storage) -> dict[str, Any]:
    return json.loads(storage.read("driver.json"))


def eventually(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_study_has_one_driver_whatever_machine_asks(storage: Storage, tmp_path: Path) -> None:
    with LeasedLock(tmp_path / "a", storage) as lock:
        lock.sign()
        with pytest.raises(
            LockedError, match=rf"one: in use by process {os.getpid()} on .*, since .*, last heard \d+ s ago"
        ):
            LeasedLock(tmp_path / "b", storage).__enter__()
        # On its own machine it is known by the operating system's lock.
        with pytest.raises(LockedError, match=rf"in use by process {os.getpid()} on "):
            LeasedLock(tmp_path / "a", storage).__enter__()
        assert f"process {os.getpid()} on" in (LeasedLock(tmp_path / "b", storage).held_by() or "")
    assert LeasedLock(tmp_path / "b", storage).held_by() is None
    # Nothing of the probes is left.
    assert storage.entries() == ["driver.json"]


def test_a_lease_that_was_let_go_can_be_taken_at_once(storage: Storage, tmp_path: Path) -> None:
    with LeasedLock(tmp_path / "a", storage) as first:
        first.sign()
    signed = LeasedLock(tmp_path / "b", storage).last_sign()
    assert signed is not None
    with LeasedLock(tmp_path / "b", storage) as second:
        assert second.last_sign() == signed
        assert second.taken_by is None


def test_a_driver_that_never_began_leaves_what_it_found(storage: Storage, tmp_path: Path) -> None:
    with LeasedLock(tmp_path / "a", storage):
        pass
    assert storage.entries() == []
    with LeasedLock(tmp_path / "a", storage) as lock:
        lock.sign()
    signed = content(storage)["sign"]
    with LeasedLock(tmp_path / "b", storage):
        pass
    assert content(storage)["sign"] == signed


def test_a_dead_drivers_lease_is_taken_over_when_it_is_old(
    stored: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = held(stored, tmp_path / "a")
    killed(holder)
    lock = LeasedLock(tmp_path / "b", stored)
    with pytest.raises(LockedError, match=rf"process {holder.pid} on .* a dead one is forgotten after 60 s"):
        lock.__enter__()
    monkeypatch.setattr(lease, "LEASE_S", 0.0)
    with LeasedLock(tmp_path / "b", stored) as second:
        assert content(stored)["pid"] == os.getpid()
        assert (second.last_sign() or 0) > time.time() - 600


def test_a_driver_that_died_on_this_machine_holds_nothing(stored: Storage, tmp_path: Path) -> None:
    killed(held(stored, tmp_path / "a"))
    with LeasedLock(tmp_path / "a", stored) as lock:
        assert lock.is_ours()


def test_a_driver_finds_out_that_its_lease_was_taken(
    stored: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No beat of its own, which could fall between the two steps of the other.
    monkeypatch.setattr(lease, "BEAT_S", 3600.0)
    with LeasedLock(tmp_path / "a", stored) as first:
        first.sign()
        # As after minutes in which the store did not hear the first one.
        monkeypatch.setattr(lease, "LEASE_S", -1.0)
        with LeasedLock(tmp_path / "b", stored):
            assert not first.is_ours()
            assert f"process {os.getpid()} on" in (first.taken_by or "")
            assert not first.is_ours()
            second = content(stored)["id"]
            first.sign()
            assert content(stored)["id"] == second
        first.sign()
        assert content(stored)["id"] == second


def test_of_two_that_take_an_old_lease_at_once_one_has_it(
    stored: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b").mkdir()
    second = LeasedLock(tmp_path / "b", stored)
    monkeypatch.setattr(lease.time, "sleep", lambda _: second._write(held=True))
    with pytest.raises(LockedError, match=r"took it at the same moment"):
        LeasedLock(tmp_path / "a", stored).__enter__()
    assert not StudyLock(tmp_path / "a").is_held()


def test_a_lease_outlives_a_store_that_is_away(
    s3: Any, stored: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "BEAT_S", 0.05)
    with LeasedLock(tmp_path / "a", stored) as lock:
        with s3.away():
            monkeypatch.setattr(lease, "LEASE_S", -1.0)
            with pytest.raises(OSError, match=r"."):
                lock.is_ours()
        before = content(stored)["beat"]
        eventually(lambda: content(stored)["beat"] > before)
        assert lock.is_ours()


def test_a_store_that_does_not_answer_is_one_line(s3: Any, stored: Storage, tmp_path: Path) -> None:
    with (
        s3.away(),
        pytest.raises(StorageError, match=r"^s3://bucket/lab/one: no lease can be written there: "),
    ):
        LeasedLock(tmp_path / "a", stored).__enter__()
    assert not StudyLock(tmp_path / "a").is_held()


def test_the_card_of_a_study_from_a_path_is_no_lease(stored: Storage, tmp_path: Path) -> None:
    stored.write("driver.json", b'{"host": "here", "pid": 1, "since": "2026-01-01"}\n')
    with LeasedLock(tmp_path / "a", stored) as lock:
        assert lock.last_sign() is None
