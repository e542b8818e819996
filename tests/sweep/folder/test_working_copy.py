"""Which of a study's two copies is newer; the store is a folder here, behind the same interface as an object store."""

from pathlib import Path

import pytest

from sweep.folder.lock import StudyLock
from sweep.folder.working_copy import pull
from sweep.storage.folder_storage import FolderStorage
from sweep.storage.storage import Storage, StorageError

HEADER = b'{"journal": 1}\n'


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "store" / "one")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "one"


def store(storage: Storage, journal: bytes, **others: bytes) -> None:
    storage.write("study.yaml", b"study\n")
    storage.write("journal.jsonl", HEADER + journal)
    for name, content in others.items():
        storage.write(name.replace("_", "."), content)


def journal(copy: Path) -> bytes:
    return (copy / "journal.jsonl").read_bytes().removeprefix(HEADER)


def test_a_study_that_this_machine_does_not_know_is_fetched(storage: Storage, copy: Path) -> None:
    store(storage, b"1\n2\n", optuna_journal=b"o\n", provenance_yaml=b"p\n")
    storage.write("mlflow.db", b"runs")
    storage.write("artifacts/7/plot.html", b"<p>")
    pull(copy, storage)
    assert journal(copy) == b"1\n2\n"
    assert (copy / "optuna.journal").read_bytes() == b"o\n"
    assert not (copy / "mlflow.db").exists()
    assert not (copy / "best.yaml").exists()
    pull(copy, storage, runs=True)
    assert (copy / "mlflow.db").read_bytes() == b"runs"
    assert (copy / "artifacts" / "7" / "plot.html").read_bytes() == b"<p>"


def test_a_study_that_is_nowhere_is_no_trouble(storage: Storage, copy: Path) -> None:
    pull(copy, storage)
    assert not copy.exists()


def test_a_driver_that_died_here_before_it_had_sent_all_has_the_newer_one(
    storage: Storage, copy: Path
) -> None:
    store(storage, b"1\n")
    pull(copy, storage)
    with (copy / "journal.jsonl").open("ab") as file:
        file.write(b"2\n3\ntor")
    (copy / "mlflow.db").write_bytes(b"ours")
    pull(copy, storage, runs=True)
    assert journal(copy) == b"2\n3\ntor".join([b"1\n", b""])
    assert (copy / "mlflow.db").read_bytes() == b"ours"


def test_what_another_machine_went_on_with_is_newer(storage: Storage, copy: Path) -> None:
    store(storage, b"1\n", optuna_journal=b"o\n", best_yaml=b"b\n")
    pull(copy, storage)
    (copy / "mlflow.db").write_bytes(b"old")
    store(storage, b"1\n2\n3\n")
    storage.remove("best.yaml")
    pull(copy, storage)
    assert journal(copy) == b"1\n2\n3\n"
    assert not (copy / "mlflow.db").exists()
    assert not (copy / "best.yaml").exists()
    storage.write("best.yaml", b"new\n")
    pull(copy, storage)
    assert (copy / "best.yaml").read_bytes() == b"new\n"


def test_events_that_another_driver_did_not_know_are_kept_aside(storage: Storage, copy: Path) -> None:
    store(storage, b"1\n")
    pull(copy, storage)
    (copy / "journal.jsonl").write_bytes(HEADER + b"1\nours\n")
    store(storage, b"1\ntheirs\n")
    with pytest.warns(UserWarning, match=r"another driver has gone on there .* kept in .*one\.aside-1"):
        pull(copy, storage)
    assert journal(copy) == b"1\ntheirs\n"
    assert journal(copy.with_name("one.aside-1")) == b"1\nours\n"


def test_a_study_that_was_removed_from_the_store_is_kept_aside(storage: Storage, copy: Path) -> None:
    store(storage, b"1\n")
    pull(copy, storage)
    storage.remove("study.yaml")
    with (
        StudyLock(copy),
        pytest.warns(UserWarning, match=r"is not there any more; .* kept in .*one\.aside-1"),
    ):
        pull(copy, storage, held=True)
    assert not (copy / "study.yaml").exists()
    assert journal(copy.with_name("one.aside-1")) == b"1\n"
    # Its lock stays where others look for it.
    assert (copy / "driver.lock").exists()


def test_a_study_that_was_never_sent_stays(storage: Storage, copy: Path) -> None:
    copy.mkdir(parents=True)
    (copy / "study.yaml").write_bytes(b"study\n")
    (copy / "journal.jsonl").write_bytes(HEADER + b"1\n")
    pull(copy, storage)
    assert journal(copy) == b"1\n"


def test_a_driver_of_this_machine_is_not_disturbed(storage: Storage, copy: Path) -> None:
    store(storage, b"1\n2\n")
    copy.mkdir(parents=True)
    with StudyLock(copy):
        pull(copy, storage)
        assert not (copy / "study.yaml").exists()
        pull(copy, storage, held=True)
        assert journal(copy) == b"1\n2\n"


def test_a_pull_that_was_cut_short_is_done_again(
    storage: FolderStorage, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(storage, b"1\n", optuna_journal=b"old\n")
    pull(copy, storage)
    store(storage, b"1\n2\n", optuna_journal=b"new\n")
    read = storage.read

    def away(name: str) -> bytes:
        if name == "optuna.journal":
            raise OSError("no answer")
        return read(name)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "read", away)
        with pytest.raises(StorageError, match=r"one: cannot be read: no answer"):
            pull(copy, storage)
    pull(copy, storage)
    assert journal(copy) == b"1\n2\n"
    assert (copy / "optuna.journal").read_bytes() == b"new\n"
