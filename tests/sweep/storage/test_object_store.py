import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweep.storage import object_store as storage_uri
from sweep.storage import storage as storage_module
from sweep.storage.storage import (
    Storage,
    StorageAwayError,
    StorageError,
    above,
    below,
    checked_uri,
    is_uri,
    may_pass,
    open_storage,
    patiently,
)


@pytest.fixture(params=["path", "file", "memory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    match request.param:
        case "path":
            yield open_storage(tmp_path / "lab")
        case "file":
            yield open_storage(f"file://{tmp_path}/lab")
        case "memory":
            memory = open_storage(f"memory://{tmp_path.name}/lab")
            yield memory
            memory.remove("a")
        case _:
            yield open_storage(request.getfixturevalue("s3").place("lab"))


def test_a_file_is_there_whole_and_can_be_replaced(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        storage.read("a/b.txt")
    assert not storage.has("a/b.txt")
    storage.write("a/b.txt", b"first")
    storage.write("a/b.txt", b"second")
    assert storage.read("a/b.txt") == b"second"
    assert storage.has("a/b.txt")
    (tmp_path / "large").write_bytes(os.urandom(1_000_000))
    storage.upload(tmp_path / "large", "a/c/large")
    storage.download("a/c/large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()
    with pytest.raises(FileNotFoundError):
        storage.download("a/none", tmp_path / "none")


def test_what_is_there_is_listed_with_its_sizes(storage: Storage) -> None:
    assert storage.sizes() == storage.sizes("a") == {}
    assert storage.entries() == []
    storage.write("a/b.txt", b"12")
    storage.write("a/c/d.txt", b"")
    assert storage.sizes("a") == {"b.txt": 2, "c/d.txt": 0}
    assert storage.sizes() == {"a/b.txt": 2, "a/c/d.txt": 0}
    assert storage.entries() == ["a"]


def test_files_and_folders_are_removed_and_what_is_not_there_is_no_trouble(storage: Storage) -> None:
    for name in ("a/b.txt", "a/c/d.txt", "a/c/e.txt"):
        storage.write(name, b"x")
    storage.remove("a/c")
    assert storage.sizes("a") == {"b.txt": 1}
    storage.remove("a/b.txt")
    storage.remove("a/b.txt")
    assert storage.sizes() == {}


def test_a_store_says_when_a_file_was_written(s3: Any) -> None:
    storage = open_storage(s3.place("lab"))
    storage.write("a", b"")
    storage.write("b", b"")
    first, second = storage.written("a"), storage.written("b")
    assert first is not None
    assert second is not None
    assert 0 <= second - first < 600
    with pytest.raises(FileNotFoundError):
        storage.written("c")


def test_a_server_may_be_named_in_the_uri(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    uri = s3.place("lab") + f"?endpoint_override={s3.address}&scheme=http"
    open_storage(uri).write("named", b"here")
    assert open_storage(below(uri, "deep", "er")).place == s3.place("lab/deep/er") + uri[uri.index("?") :]
    assert open_storage(uri).read("named") == b"here"


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("s3://key:hunter2@bucket/lab", "a user or password"),
        ("s3://hunter2@bucket/lab", "a user or password"),
        ("s3://bucket/lab?secret_key=hunter2", "`secret_key`"),
        ("s3://bucket/lab?region=eu&session_token=hunter2", "`session_token`"),
        ("gs://bucket/lab?access_token=hunter2", "`access_token`"),
        ("s3://bucket/lab?X-Amz-Signature=hunter2", "`X-Amz-Signature`"),
        ("abfs://box@account.dfs.core.windows.net/lab?sig=hunter2", "`sig`"),
        ("abfs://box:hunter2@account.dfs.core.windows.net/lab", "a user or password"),
    ],
)
def test_a_uri_with_a_secret_is_refused_and_not_repeated(uri: str, found: str) -> None:
    with pytest.raises(StorageError, match="/lab: the address holds") as refused:
        open_storage(uri)
    assert found in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_uri_is_told_from_a_path() -> None:
    assert [is_uri(place) for place in ("s3://b", "gs://b/c", "file:///tmp")] == [True] * 3
    assert not any(is_uri(place) for place in ("studies", "/mnt/x", "c:/x", "a//b", Path("s3://b")))
    assert checked_uri("s3://bucket/lab/?region=eu") == "s3://bucket/lab?region=eu"
    assert checked_uri("abfs://box@account.dfs.core.windows.net/lab").startswith("abfs://box@")
    assert above("s3://bucket/lab/one?region=eu") == "s3://bucket/lab?region=eu"
    assert below("/mnt/x", "y", "z") == "/mnt/x/y/z"


@pytest.mark.parametrize("uri", ["gopher://bucket/lab", "s3://bucket/lab?colour=red"])
def test_a_uri_that_nobody_knows_is_one_line(uri: str) -> None:
    with pytest.raises(StorageError, match="://bucket/lab") as unknown:
        open_storage(uri)
    assert "\n" not in str(unknown.value)


def test_a_refusal_is_told_from_a_store_that_is_away(s3: Any) -> None:
    with pytest.raises(OSError, match=r"NO_SUCH_BUCKET|NoSuchBucket|does not exist") as refused:
        open_storage("s3://nobody-has-this/lab").write("a", b"")
    assert not may_pass(refused.value)
    storage = open_storage(s3.place("lab"))
    with s3.away(), pytest.raises(OSError, match="a") as away:
        storage.read("a")
    assert may_pass(away.value)
    storage.write("a", b"back")


def test_what_is_away_is_asked_again_and_what_refuses_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module, "RETRY_AFTER_S", 0.0)
    answers: list[Exception | str] = [OSError("Connection refused"), TimeoutError(), "here"]

    def ask() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(ask) == "here"
    for refusal in (PermissionError(), FileNotFoundError(), NotADirectoryError(), OSError("HTTP status 403")):
        answers = [refusal, "here"]
        with pytest.raises(type(refusal)):
            patiently(ask)
        assert answers == ["here"]


def test_a_bucket_whose_region_nobody_tells_now_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module, "RETRY_AFTER_S", 0.0)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    asked = []

    def region(bucket: str) -> str:
        asked.append(bucket)
        if len(asked) < 3:
            raise OSError("When resolving region for bucket 'lab': AWS Error NETWORK_CONNECTION")
        return "eu-north-1"

    monkeypatch.setattr(storage_uri.fs, "resolve_s3_region", region)
    with pytest.raises(StorageAwayError, match="s3://lab/one: When resolving region"):
        open_storage("s3://lab/one")
    assert patiently(lambda: open_storage("s3://lab/one")).place == "s3://lab/one"
    assert asked == ["lab"] * 3
    asked.clear()
    monkeypatch.setattr(storage_module, "PATIENCE_S", -1.0)
    with pytest.raises(OSError, match="s3://lab/one: When resolving region"):
        patiently(lambda: open_storage("s3://lab/one"))


def test_a_path_does_not_import_pyarrow(tmp_path: Path) -> None:
    code = """
import sys
import sweep.cli, sweep.driver.run, sweep.report.status
from sweep.folder.study_folder import StudyFolder
StudyFolder.at(sys.argv[1], "one").pull()
sweep.storage.storage.open_storage(sys.argv[1]).write("a", b"")
print([name for name in sys.modules if name == "sweep.storage.object_store"])
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
