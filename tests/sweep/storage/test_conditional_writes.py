"""Of several writers of a file one wins, on a real S3 server; stores that cannot see to that are found out."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from sweep.storage.conditional_writes import ChangedError, Stored, Version, probe
from sweep.storage.object_store import ObjectStore
from sweep.storage.open_storage import open_object_store
from sweep.storage.storage import StorageError


@pytest.fixture
def storage(s3: Any) -> ObjectStore:
    return open_object_store(s3.place("lab"))


def test_a_file_is_created_once_and_changed_by_who_knows_it(storage: ObjectStore) -> None:
    first = storage.replace("a", b"1", None)
    with pytest.raises(ChangedError):
        storage.replace("a", b"2", None)
    second = storage.replace("a", b"2", first)
    with pytest.raises(ChangedError):
        storage.replace("a", b"3", first)
    assert (storage.stored("a").content, storage.stored("a").version) == (b"2", second)
    with pytest.raises(ChangedError):
        storage.replace("none", b"1", first)


@pytest.mark.parametrize("there", [False, True])
def test_of_writers_at_the_same_moment_one_wins_every_time(
    storage: ObjectStore, s3: Any, there: bool
) -> None:
    rounds, writers = 50, 4
    stores = [open_object_store(s3.place("lab")) for _ in range(writers)]
    files = [f"race-{number}" for number in range(rounds)]
    versions = [storage.replace(file, b"", None) if there else None for file in files]
    winners: list[list[int]] = [[] for _ in range(rounds)]
    at_once = threading.Barrier(writers)

    def race(writer: int) -> None:
        for file, version, won in zip(files, versions, winners, strict=True):
            at_once.wait(60)
            try:
                stores[writer].replace(file, str(writer).encode(), version)
            except ChangedError:
                continue
            won.append(writer)

    threads = [threading.Thread(target=race, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(won) for won in winners] == [1] * rounds
    assert [storage.read(file).decode() for file in files] == [str(won[0]) for won in winners]


def test_a_probe_tells_the_time_of_the_store_and_leaves_nothing(storage: ObjectStore, s3: Any) -> None:
    before = probe(storage)
    storage.write("a", b"")
    assert 0 <= storage.stored("a").written - before < 600
    assert s3.names() == ["lab/a"]


def test_a_write_that_the_client_repeats_since_its_answer_was_lost_is_no_other_writers(
    storage: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = storage.replace

    def executed_but_answered_with_500(*given: Any) -> Version:
        write(*given)
        return write(*given)

    monkeypatch.setattr(storage, "replace", executed_but_answered_with_500)
    assert probe(storage) > 0


def test_a_store_that_tells_readers_another_version_than_it_knows_is_found_out(
    storage: ObjectStore, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = storage.stored

    def weak(name: str) -> Stored:
        found = stored(name)
        return replace(found, version={"e_tag": f"W/{found.version['e_tag']}"})

    monkeypatch.setattr(storage, "stored", weak)
    with pytest.raises(StorageError, match=r"^s3://bucket/lab: this store refuses a write as of the version"):
        probe(storage)
    assert s3.names() == []


def test_a_store_that_ignores_conditions_is_found_out(storage: ObjectStore, s3: Any) -> None:
    with (
        s3.without_conditions(),
        pytest.raises(
            StorageError, match=r"^s3://bucket/lab: this store ignores .* \(If-None-Match\), so that two"
        ),
    ):
        probe(storage)
    with s3.without_conditions("if-match"), pytest.raises(StorageError, match=r" \(If-Match\), so that two"):
        probe(storage)
    assert s3.names() == []
