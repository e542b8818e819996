import contextlib
import itertools
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evidence.chain import ChainCheck, check_chain
from sweep.folder import lease
from sweep.folder.lease import LeasedLock
from sweep.folder.mirror import Mirror, MirrorError
from sweep.folder.working_copy import pull
from sweep.storage.conditional_writes import ChangedError, Version
from sweep.storage.object_store import ObjectStore
from sweep.storage.open_storage import open_object_store
from sweep.storage.storage import Storage
from sweep.study.events import ConfigurationAdded, Event, StudyStarted, StudyStopped
from sweep.study.journal import Journal, read_journal

OFTEN_S = 0.05


@pytest.fixture
def storage(s3: Any) -> ObjectStore:
    return open_object_store(s3.place("lab/one"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    copy = tmp_path / "one"
    copy.mkdir()
    (copy / "study.yaml").write_text("study\n")
    return copy


@pytest.fixture
def lock(copy: Path, storage: ObjectStore) -> Iterator[LeasedLock]:
    with LeasedLock(copy, storage) as lock:
        lock.sign()
        yield lock


@pytest.fixture
def asking(copy: Path, storage: ObjectStore) -> Iterator[LeasedLock]:
    """A lease that asks the store each time, and counts as old at once."""
    with LeasedLock(copy, storage, lease_s=-1.0) as lock:
        lock.sign()
        yield lock


def eventually(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def append(path: Path, content: str) -> None:
    with path.open("a") as file:
        file.write(content)


def read(storage: Storage, name: str) -> bytes:
    try:
        return storage.read(name)
    except FileNotFoundError:
        return b""


def test_the_chain_of_a_journal_goes_on_on_another_machine(
    copy: Path, storage: ObjectStore, lock: LeasedLock, tmp_path: Path
) -> None:
    events: list[Event] = [StudyStarted((1,)), ConfigurationAdded(0, {}), StudyStopped("interrupted")]
    sent, elsewhere = Mirror(copy, storage, lock, interval_s=OFTEN_S), tmp_path / "elsewhere"
    with contextlib.closing(Journal(copy / "journal.jsonl")) as journal:
        sent.start()
        for event in events:
            journal.write(event)
    sent.close(60)
    pull(elsewhere, storage)
    with contextlib.closing(Journal(elsewhere / "journal.jsonl")) as journal:
        journal.write(StudyStarted((1,)))
    assert list(read_journal(elsewhere / "journal.jsonl")) == [*events, StudyStarted((1,))]
    assert check_chain(elsewhere / "journal.jsonl") == ChainCheck((), chained=True)
    # What the machine before has is the beginning of it.
    assert (elsewhere / "journal.jsonl").read_bytes().startswith((copy / "journal.jsonl").read_bytes())


def test_what_happens_is_on_the_store_soon_and_all_of_it_at_the_end(
    copy: Path, storage: ObjectStore, lock: LeasedLock, tmp_path: Path
) -> None:
    sent = Mirror(copy, storage, lock, interval_s=OFTEN_S)
    sent.start()
    append(copy / "journal.jsonl", "1\n")
    eventually(lambda: read(storage, "journal.jsonl") == b"1\n")
    append(copy / "journal.jsonl", "2\n3\nunder way")
    for name in ("best.yaml", "optuna.journal"):
        (copy / name).write_text(f"{name}\n")
    with sqlite3.connect(copy / "mlflow.db") as runs:
        runs.execute("create table runs (name text)")
        runs.execute("insert into runs values ('0')")
    (copy / "artifacts" / "1").mkdir(parents=True)
    (copy / "artifacts" / "1" / "plot.html").write_text("<p>")
    sent.close(60)
    runs.close()
    pull(tmp_path / "elsewhere", storage, runs=True)
    elsewhere = tmp_path / "elsewhere"
    assert (elsewhere / "journal.jsonl").read_text() == "1\n2\n3\n"
    for name in ("best.yaml", "optuna.journal"):
        assert (elsewhere / name).read_text() == f"{name}\n"
    assert (elsewhere / "artifacts" / "1" / "plot.html").read_text() == "<p>"
    with sqlite3.connect(elsewhere / "mlflow.db") as runs:
        assert runs.execute("select * from runs").fetchall() == [("0",)]
    runs.close()


def test_at_every_moment_the_store_has_whole_events(
    copy: Path, storage: ObjectStore, lock: LeasedLock
) -> None:
    seen: list[bytes] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            # What a machine would pull that goes on from here.
            seen.append(read(storage, "journal.jsonl"))

    watcher = threading.Thread(target=look)
    sent = Mirror(copy, storage, lock, interval_s=OFTEN_S, share=1.0)
    sent.start()
    watcher.start()
    deadline = time.monotonic() + 60
    for number in itertools.count():
        if len(set(seen)) > 5:
            break
        assert time.monotonic() < deadline
        append(copy / "journal.jsonl", f"{number:06d}"[:3])
        append(copy / "journal.jsonl", f"{number:06d}"[3:] + "\n")
        time.sleep(0.005)
    sent.close(60)
    stop.set()
    watcher.join()
    for journal in seen:
        assert journal == b"".join(b"%06d\n" % number for number in range(len(journal) // 7))


def test_a_checkpoint_goes_when_the_stored_journal_says_that_its_unit_is_over(
    copy: Path, storage: ObjectStore, lock: LeasedLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = "0002-seed1/weights.safetensors"
    for unit in ("0000-seed1", "0001-seed1", "0002-seed1"):
        storage.write(f"units/{unit}/checkpoint-00000001.pt", b"state")
    storage.write(f"units/{weights}", b"weights")
    replace = storage.replace

    def no_journal(name: str, *given: Any) -> Version:
        if name == "journal.jsonl":
            tried.set()
            raise OSError("no answer")
        return replace(name, *given)

    sent = Mirror(copy, storage, lock, interval_s=OFTEN_S)
    tried = threading.Event()
    monkeypatch.setattr(storage, "replace", no_journal)
    append(copy / "journal.jsonl", "0000-seed1 is over\n")
    sent.remove_unit("0000-seed1")
    sent.remove_unit("0002-seed1", keep="weights.safetensors")
    sent.start()
    eventually(tried.is_set)
    tried.clear()
    eventually(tried.is_set)
    assert len(storage.sizes("units")) == 4
    monkeypatch.setattr(storage, "replace", replace)
    left = {"0001-seed1/checkpoint-00000001.pt", weights}
    eventually(lambda: set(storage.sizes("units")) == left)
    assert read(storage, "journal.jsonl") == b"0000-seed1 is over\n"
    # Its worker saved once more while it was stopped.
    storage.write("units/0000-seed1/checkpoint-00000002.pt", b"state")
    sent.close(60)
    assert set(storage.sizes("units")) == left


def test_a_store_that_is_away_gets_everything_later(
    s3: Any, copy: Path, storage: ObjectStore, lock: LeasedLock
) -> None:
    sent = Mirror(copy, storage, lock, interval_s=OFTEN_S)
    sent.start()
    append(copy / "journal.jsonl", "1\n")
    eventually(lambda: read(storage, "journal.jsonl") == b"1\n")
    with s3.away():
        append(copy / "journal.jsonl", "2\n")
        eventually(lambda: sent._trouble is not None)
    eventually(lambda: read(storage, "journal.jsonl") == b"1\n2\n")
    sent.close(60)


def test_a_store_that_stays_away_is_told_at_the_end(
    s3: Any, copy: Path, storage: ObjectStore, lock: LeasedLock
) -> None:
    sent = Mirror(copy, storage, lock, interval_s=OFTEN_S)
    with s3.away():
        append(copy / "journal.jsonl", "1\n")
        sent.start()
        with pytest.raises(
            MirrorError, match=r"the store lacks the last results \(.*\); they are in .*/one, and"
        ):
            sent.close(1)


def test_nothing_is_sent_to_a_study_that_another_driver_took(
    copy: Path, storage: ObjectStore, asking: LeasedLock, tmp_path: Path
) -> None:
    sent = Mirror(copy, storage, asking, interval_s=OFTEN_S)
    sent.start()
    append(copy / "journal.jsonl", "1\n")
    eventually(lambda: read(storage, "journal.jsonl") == b"1\n")
    with LeasedLock(tmp_path / "other", storage, lease_s=-1.0):
        append(copy / "journal.jsonl", "2\n")
        with pytest.raises(
            MirrorError, match=r"taken over by process .* what happened here since is in .*/one alone"
        ):
            sent.close(60)
        assert read(storage, "journal.jsonl") == b"1\n"


def test_sending_takes_a_small_share_of_the_time(
    copy: Path, storage: ObjectStore, lock: LeasedLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    waits: list[float] = []

    class Closing(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            append(copy / "journal.jsonl", "1\n")
            clock[0] += timeout or 0.0
            return len(waits) > 3

    def slow(*_: Any) -> Version:
        clock[0] += 2.0
        return {}

    sent = Mirror(copy, storage, lock, interval_s=OFTEN_S)
    monkeypatch.setattr(sent, "_closing", Closing())
    for name in ("write", "replace"):
        monkeypatch.setattr(storage, name, slow)
    monkeypatch.setattr(lock, "is_ours", lambda: True)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    sent._mirror()
    assert waits == pytest.approx([0.05, 76.0, 38.0, 38.0])


def test_a_mirror_that_never_started_has_nothing_to_close(
    copy: Path, storage: ObjectStore, lock: LeasedLock
) -> None:
    Mirror(copy, storage, lock, interval_s=OFTEN_S).close(60)
    assert storage.entries() == ["driver.json"]


def test_a_journal_that_was_under_way_when_the_lease_was_lost_overwrites_nothing(
    copy: Path, storage: ObjectStore, lock: LeasedLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Mirror(copy, storage, lock, interval_s=OFTEN_S)
    append(copy / "journal.jsonl", "1\n")
    assert sent._try(sent._push)
    append(copy / "journal.jsonl", "2\n")
    send = storage.replace

    def another_driver_goes_on_first(name: str, *given: Any) -> Version:
        if name == "journal.jsonl":
            monkeypatch.setattr(storage, "replace", send)
            with LeasedLock(tmp_path / "other", storage, lease_s=-1.0) as other:
                other.sign()
                storage.write("journal.jsonl", b"1\ntheirs\n")
                return send(name, *given)
        return send(name, *given)

    monkeypatch.setattr(storage, "replace", another_driver_goes_on_first)
    assert not sent._try(sent._push)
    assert read(storage, "journal.jsonl") == b"1\ntheirs\n"


@pytest.mark.parametrize("first", ["study.yaml", "mlflow.db"])
def test_what_comes_after_the_file_at_which_the_lease_was_lost_is_not_sent(
    first: str,
    copy: Path,
    storage: ObjectStore,
    asking: LeasedLock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (copy / "best.yaml").write_text("ours\n")
    sqlite3.connect(copy / "mlflow.db").close()
    (copy / "artifacts").mkdir()
    (copy / "artifacts" / "plot.html").write_text("<p>")
    sent = Mirror(copy, storage, asking, interval_s=OFTEN_S)

    def lost_meanwhile(send: Callable[..., None]) -> Callable[..., None]:
        def sent_and_lost(*given: Any) -> None:
            send(*given)
            if first in given:
                others.enter_context(LeasedLock(tmp_path / "other", storage, lease_s=-1.0)).sign()

        return sent_and_lost

    monkeypatch.setattr(storage, "write", lost_meanwhile(storage.write))
    monkeypatch.setattr(storage, "upload", lost_meanwhile(storage.upload))
    with contextlib.ExitStack() as others:
        assert not sent._try(sent._push if first == "study.yaml" else sent._push_runs)
        assert set(storage.sizes()) == {first, "driver.json"}


def test_a_store_that_never_knows_the_journal_it_told_is_given_up(
    copy: Path, storage: ObjectStore, lock: LeasedLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(copy / "journal.jsonl", "1\n")
    sent, replace, tries = Mirror(copy, storage, lock, interval_s=OFTEN_S), storage.replace, []

    def refuse(name: str, *given: Any) -> Version:
        if name != "journal.jsonl":
            return replace(name, *given)
        tries.append(given)
        if len(tries) > 100:
            pytest.fail("tried for ever")
        raise ChangedError("changed")

    monkeypatch.setattr(storage, "replace", refuse)
    assert not sent._try(sent._push)
    assert "journal.jsonl: the store refused 5 writes as of an old version" in str(sent._trouble)
    assert len(tries) == lease.TRIES


def test_a_study_that_is_resumed_replaces_the_journal_that_is_there(
    copy: Path, storage: ObjectStore, lock: LeasedLock
) -> None:
    storage.write("journal.jsonl", b"1\n")
    append(copy / "journal.jsonl", "1\n2\n")
    sent = Mirror(copy, storage, lock, interval_s=OFTEN_S)
    sent.start()
    eventually(lambda: read(storage, "journal.jsonl") == b"1\n2\n")
    sent.close(60)
