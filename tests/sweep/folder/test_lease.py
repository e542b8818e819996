import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweep.folder import lease
from sweep.folder.lease import LeasedLock
from sweep.folder.lock import LockedError, StudyLock
from sweep.storage.conditional_writes import ChangedError, Version
from sweep.storage.object_store import ObjectStore
from sweep.storage.open_storage import open_object_store
from sweep.storage.storage import StorageError

HOLD = """
import sys, time
from pathlib import Path
from sweep.folder.lease import LeasedLock
from sweep.storage.open_storage import open_object_store
with LeasedLock(Path(sys.argv[1]), open_object_store(sys.argv[2])) as lock:
    lock.sign()
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def stored(s3: Any) -> ObjectStore:
    return open_object_store(s3.place("lab/one"))


def held(stored: ObjectStore, copy: Path) -> subprocess.Popen[str]:
    """A process that holds the lease."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(copy), stored.place], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def killed(holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()


def content(stored: ObjectStore) -> dict[str, Any]:
    return json.loads(stored.read("driver.json"))


def eventually(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_study_has_one_driver_whatever_machine_asks(stored: ObjectStore, tmp_path: Path) -> None:
    with LeasedLock(tmp_path / "a", stored) as lock:
        lock.sign()
        with pytest.raises(
            LockedError, match=rf"one: in use by process {os.getpid()} on .*, since .*, last heard \d+ s ago"
        ):
            LeasedLock(tmp_path / "b", stored).__enter__()
        # On its own machine it is known by the operating system's lock.
        with pytest.raises(LockedError, match=rf"in use by process {os.getpid()} on "):
            LeasedLock(tmp_path / "a", stored).__enter__()
        assert f"process {os.getpid()} on" in (LeasedLock(tmp_path / "b", stored).held_by() or "")
    assert LeasedLock(tmp_path / "b", stored).held_by() is None
    # Nothing of the probes is left.
    assert stored.entries() == ["driver.json"]


def test_a_lease_that_was_let_go_can_be_taken_at_once(stored: ObjectStore, tmp_path: Path) -> None:
    with LeasedLock(tmp_path / "a", stored) as first:
        first.sign()
    signed = LeasedLock(tmp_path / "b", stored).last_sign()
    assert signed is not None
    with LeasedLock(tmp_path / "b", stored) as second:
        assert second.last_sign() == signed
        assert second.taken_by is None


def test_a_driver_that_never_began_leaves_what_it_found(stored: ObjectStore, tmp_path: Path) -> None:
    with LeasedLock(tmp_path / "a", stored):
        pass
    assert stored.entries() == []
    with LeasedLock(tmp_path / "a", stored) as lock:
        lock.sign()
    signed = content(stored)["sign"]
    with LeasedLock(tmp_path / "b", stored):
        pass
    assert content(stored)["sign"] == signed


def test_a_dead_drivers_lease_is_taken_over_when_it_is_old(stored: ObjectStore, tmp_path: Path) -> None:
    holder = held(stored, tmp_path / "a")
    killed(holder)
    lock = LeasedLock(tmp_path / "b", stored)
    with pytest.raises(LockedError, match=rf"process {holder.pid} on .* a dead one is forgotten after 60 s"):
        lock.__enter__()
    with LeasedLock(tmp_path / "b", stored, lease_s=0.0) as second:
        assert content(stored)["pid"] == os.getpid()
        assert (second.last_sign() or 0) > time.time() - 600


def test_a_driver_that_died_on_this_machine_holds_nothing(stored: ObjectStore, tmp_path: Path) -> None:
    killed(held(stored, tmp_path / "a"))
    with LeasedLock(tmp_path / "a", stored) as lock:
        assert lock.is_ours()


def test_a_driver_finds_out_that_its_lease_was_taken(stored: ObjectStore, tmp_path: Path) -> None:
    # No beat of its own, which could fall between the two steps of the other.
    with LeasedLock(tmp_path / "a", stored, lease_s=-1.0, beat_s=3600.0) as first:
        first.sign()
        # As after minutes in which the store did not hear the first one.
        with LeasedLock(tmp_path / "b", stored, lease_s=-1.0):
            assert not first.is_ours()
            assert f"process {os.getpid()} on" in (first.taken_by or "")
            assert not first.is_ours()
            second = content(stored)["id"]
            first.sign()
            assert content(stored)["id"] == second
        first.sign()
        assert content(stored)["id"] == second


RACE = """
import dataclasses, sys
from pathlib import Path
from sweep.folder.lease import LeasedLock
from sweep.folder.lock import LockedError
from sweep.storage.object_store import ObjectStore
from sweep.storage.open_storage import open_object_store
stored = ObjectStore.stored
def aged(self, name):
    found = stored(self, name)
    return dataclasses.replace(found, written=0.0) if b'"dead"' in found.content else found
ObjectStore.stored = aged
for number in range(int(sys.argv[3])):
    place = open_object_store(f"{sys.argv[2]}/{number}")
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        # However slow this machine is.
        with LeasedLock(Path(sys.argv[1]) / str(number), place, lease_s=3600.0) as lock:
            lock.sign()
            print("won", flush=True)
            sys.stdin.readline()
    except LockedError as error:
        print(error, flush=True)
        sys.stdin.readline()
"""


@pytest.mark.slow
@pytest.mark.parametrize("old", [False, True])
def test_of_processes_that_start_at_once_one_has_the_study(s3: Any, tmp_path: Path, old: bool) -> None:
    rounds, place = 50, s3.place("lab")
    if old:
        # Left by a driver that died, each in another study.
        dead = dict.fromkeys(lease.FIELDS, 0) | {"id": "dead", "copy": "elsewhere", "held": True}
        for number in range(rounds):
            open_object_store(f"{place}/{number}").write("driver.json", json.dumps(dead).encode())
    command = [sys.executable, "-c", RACE]
    drivers = [
        subprocess.Popen(
            [*command, str(tmp_path / name), place, str(rounds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "abc"
    ]

    def tell() -> None:
        for driver in drivers:
            assert driver.stdin is not None
            driver.stdin.write("\n")
            driver.stdin.flush()

    def hear() -> list[str]:
        return [driver.stdout.readline().strip() for driver in drivers if driver.stdout is not None]

    for _ in range(rounds):
        assert hear() == ["ready"] * 3
        tell()
        answers = hear()
        assert answers.count("won") == 1, answers
        assert sum("in use by" in one or "took it at the same moment" in one for one in answers) == 2, answers
        tell()
    assert [driver.wait(60) for driver in drivers] == [0] * 3


def test_who_finds_an_old_lease_renewed_after_all_does_not_have_it(
    stored: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LeasedLock(tmp_path / "a", stored, lease_s=-1.0, beat_s=3600.0) as first:
        first.sign()
        second = LeasedLock(tmp_path / "b", stored, lease_s=-1.0)
        look = second._read

        def look_then_hear_the_first() -> Any:
            found = look()
            first.renew()
            return found

        monkeypatch.setattr(second, "_read", look_then_hear_the_first)
        with pytest.raises(
            LockedError, match=rf"one: process {os.getpid()} on .* took it at the same moment"
        ):
            second.__enter__()
        assert first.is_ours()
        assert not StudyLock(tmp_path / "b").is_held()


def test_a_renewal_whose_answer_was_lost_is_known_again(
    stored: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = stored.replace
    with LeasedLock(tmp_path / "a", stored, beat_s=3600.0) as lock:
        with monkeypatch.context() as patch:

            def lose_the_answer(*given: Any) -> None:
                replace(*given)
                raise OSError("no answer")

            patch.setattr(stored, "replace", lose_the_answer)
            with pytest.raises(OSError, match="no answer"):
                lock.renew()
        lock.renew()
        assert lock.is_ours()


def test_a_lease_that_was_given_back_is_not_taken_again_by_what_still_runs(
    stored: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LeasedLock(tmp_path / "a", stored) as lock:
        lock.sign()
    # So long after that the store would be asked.
    clock = time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda which: clock(which) + 3600.0)
    assert not lock.is_ours()
    lock.renew()
    assert content(stored)["held"] is False


def test_a_lease_is_given_back_after_the_renewal_that_is_under_way(
    stored: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = stored.replace
    under_way, go_on = threading.Event(), threading.Event()

    def slow(*given: Any) -> Version:
        if threading.current_thread() is renewing:
            under_way.set()
            assert go_on.wait(60)
        return replace(*given)

    lock = LeasedLock(tmp_path / "a", stored, beat_s=3600.0).__enter__()
    lock.sign()
    renewing = threading.Thread(target=lock.renew)
    monkeypatch.setattr(stored, "replace", slow)
    renewing.start()
    assert under_way.wait(60)
    ending = threading.Thread(target=lock.__exit__, args=(None, None, None))
    ending.start()
    ending.join(0.2)
    assert ending.is_alive()
    go_on.set()
    ending.join(60)
    renewing.join(60)
    assert content(stored)["held"] is False


def test_a_store_that_never_knows_the_version_it_told_is_given_up(
    stored: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LeasedLock(tmp_path / "a", stored) as lock:
        tries = []

        def refuse(*given: Any) -> Version:
            tries.append(given)
            if len(tries) > 100:
                pytest.fail("tried for ever")
            raise ChangedError("changed")

        with monkeypatch.context() as patch:
            patch.setattr(stored, "replace", refuse)
            with pytest.raises(
                OSError, match=r"driver.json: the store refused 5 writes as of an old version"
            ):
                lock.renew()
        assert len(tries) == lease.TRIES


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="no clock of its own for the time asleep")
def test_a_machine_that_slept_asks_whether_the_lease_is_still_its_own(
    stored: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LeasedLock(tmp_path / "a", stored, beat_s=3600.0) as lock:
        lock.sign()
        taken = dict(content(stored), id="another", host="there", pid=1)
        stored.write("driver.json", json.dumps(taken).encode())
        assert lock.is_ours()
        clock = time.clock_gettime
        asleep_s = {time.CLOCK_MONOTONIC: 0.0, time.CLOCK_BOOTTIME: 3600.0}
        monkeypatch.setattr(time, "clock_gettime", lambda which: clock(which) + asleep_s[which])
        assert not lock.is_ours()
        assert lock.taken_by is not None


def test_who_looks_does_not_need_the_holders_clock(stored: ObjectStore, tmp_path: Path) -> None:
    with LeasedLock(tmp_path / "a", stored) as lock:
        lock.sign()
        behind = dict(content(stored), beat=time.time() - 3600)
        stored.write("driver.json", json.dumps(behind).encode())
        assert f"process {os.getpid()} on" in (LeasedLock(tmp_path / "b", stored).held_by() or "")


def test_a_lease_that_somebody_removed_is_written_again(stored: ObjectStore, tmp_path: Path) -> None:
    with LeasedLock(tmp_path / "a", stored) as lock:
        stored.remove("driver.json")
        lock.sign()
        assert content(stored)["pid"] == os.getpid()
        assert lock.is_ours()


def test_a_store_that_ignores_conditions_has_no_lock(s3: Any, stored: ObjectStore, tmp_path: Path) -> None:
    with (
        s3.without_conditions(),
        pytest.raises(
            StorageError, match=r"^s3://bucket/lab/one: this store ignores the conditions of writes"
        ),
    ):
        LeasedLock(tmp_path / "a", stored).__enter__()
    assert s3.names() == []
    assert not StudyLock(tmp_path / "a").is_held()


def test_a_lease_outlives_a_store_that_is_away(s3: Any, stored: ObjectStore, tmp_path: Path) -> None:
    with LeasedLock(tmp_path / "a", stored, lease_s=-1.0, beat_s=0.05) as lock:
        with s3.away(), pytest.raises(OSError, match=r"."):
            lock.is_ours()
        before = content(stored)["beat"]
        eventually(lambda: content(stored)["beat"] > before)
        assert lock.is_ours()


def test_a_store_that_does_not_answer_is_one_line(s3: Any, stored: ObjectStore, tmp_path: Path) -> None:
    with (
        s3.away(),
        pytest.raises(StorageError, match=r"^s3://bucket/lab/one: no lease can be written there: "),
    ):
        LeasedLock(tmp_path / "a", stored).__enter__()
    assert not StudyLock(tmp_path / "a").is_held()


def test_the_card_of_a_study_from_a_path_is_no_lease(stored: ObjectStore, tmp_path: Path) -> None:
    stored.write("driver.json", b'{"host": "here", "pid": 1, "since": "2026-01-01"}\n')
    with LeasedLock(tmp_path / "a", stored) as lock:
        assert lock.last_sign() is None
