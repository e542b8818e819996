"""A folder and an object store do alike; what S3 answers, as this project understands it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from sweep.storage import object_store, patience
from sweep.storage.open_storage import below, open_object_store, open_storage
from sweep.storage.patience import may_pass, patiently
from sweep.storage.storage import RefusedError, Storage, StorageAwayError, StorageError


@pytest.fixture(params=["path", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "path":
        return open_storage(tmp_path / "lab")
    return open_storage(request.getfixturevalue("s3").place("lab"))


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


def test_a_large_file_arrives_in_parts_and_whole(s3: Any, tmp_path: Path) -> None:
    content = os.urandom(2 * object_store.PART_BYTES + 7)
    (tmp_path / "large").write_bytes(content)
    storage = open_storage(s3.place("lab"))
    storage.upload(tmp_path / "large", "large")
    storage.download("large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content == storage.read("large")


def test_what_is_sent_by_one_request_has_half_a_minute_for_each_of_its_parts(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_object_store(s3.place("lab"))
    patience, given = object_store._patience, []

    def record(answer_s: float, plain: bool) -> dict[str, Any]:
        given.append(answer_s)
        return patience(answer_s, plain)

    monkeypatch.setattr(object_store, "_patience", record)
    content = bytes(3 * object_store.PART_BYTES)
    version = storage.replace("journal", content, None)
    assert given == [90.0]
    assert storage.stored("journal").version == version
    assert storage.read("journal") == content


def test_a_name_may_hold_what_a_folder_takes(storage: Storage) -> None:
    for name in ("a/with space.txt", "a/50 %.html", "a/é#?.txt"):
        storage.write(name, name.encode())
        assert storage.read(name) == name.encode()
    assert len(storage.sizes("a")) == 3


def test_a_store_says_when_a_file_was_written(s3: Any) -> None:
    storage = open_object_store(s3.place("lab"))
    for name in ("a", "b"):
        storage.write(name, b"")
    assert 0 <= storage.stored("b").written - storage.stored("a").written < 600
    with pytest.raises(FileNotFoundError):
        storage.stored("c")


def test_a_server_may_be_named_in_the_uri(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    uri = s3.place("lab") + f"?endpoint_override={s3.address}&scheme=http"
    open_storage(uri).write("named", b"here")
    assert open_storage(below(uri, "deep", "er")).place == s3.place("lab/deep/er") + uri[uri.index("?") :]
    assert open_storage(uri).read("named") == b"here"


@pytest.mark.parametrize(
    "uri",
    [
        "gopher://bucket/lab",
        "hdfs://bucket/lab",
        "file://bucket/lab",
        "s3://bucket/lab?colour=red",
        "gs://bucket/lab?region=eu",
        "az://bucket/lab",
    ],
)
def test_a_uri_that_nobody_knows_is_one_line(uri: str) -> None:
    with pytest.raises(StorageError, match="://bucket/lab") as unknown:
        open_storage(uri)
    assert "\n" not in str(unknown.value)


def test_each_cloud_has_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    for uri, client in {
        "gs://bucket/lab/one": "GCSStore",
        "abfs://box@account.dfs.core.windows.net/lab": "AzureStore",
        "abfss://box@account.dfs.core.windows.net/lab": "AzureStore",
        "s3://bucket/lab?region=eu-north-1": "S3Store",
    }.items():
        store: Any = open_object_store(uri)
        assert (type(store._store).__name__, store.place) == (client, uri)


def test_a_refusal_is_told_from_a_store_that_is_away(s3: Any) -> None:
    nowhere = open_storage("s3://nobody-has-this/lab")
    for call in (lambda: nowhere.write("a", b""), lambda: nowhere.sizes()):
        with pytest.raises(RefusedError, match=r"404 Not Found: NoSuchBucket: .*does not exist$") as refused:
            call()
        assert not may_pass(refused.value)
    storage = open_storage(s3.place("lab"))
    with s3.away(), pytest.raises(OSError, match=r"^Generic S3 error: .*/lab/a in ") as away:
        storage.read("a")
    assert "\n" not in str(away.value)
    assert may_pass(away.value)
    storage.write("a", b"back")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("status code: 400 Bad Request: <Error><Code>ExpiredToken</Code></Error>", RefusedError),
        ("status code: 429 Too Many Requests", OSError),
        ("status code: 503 Service Unavailable", OSError),
    ],
)
def test_an_answer_without_a_type_of_its_own_is_judged_by_its_status(said: str, kind: type[OSError]) -> None:
    with pytest.raises(OSError, match="status code") as raised, object_store._os_errors():
        raise object_store.BaseError(
            f"Error performing PUT http://host/a?sig=hunter2 - {said}\n\nDebug source:\n"
        )
    assert type(raised.value) is kind
    assert "hunter2" not in str(raised.value)


def test_what_a_store_quotes_of_a_signed_request_is_not_shown() -> None:
    with pytest.raises(RefusedError) as raised, object_store._os_errors():
        raise object_store.PermissionDeniedError(
            'denied: status code: 403 Forbidden: <?xml version="1.0"?>\n<Error><Code>SignatureDoesNotMatch</Code>'
            "<Message>It does not match.</Message><AWSAccessKeyId>hunter2</AWSAccessKeyId></Error>"
        )
    assert (
        str(raised.value) == "denied: status code: 403 Forbidden: SignatureDoesNotMatch: It does not match."
    )


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names neither a server nor a region."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(object_store, "_told_regions", {})


@pytest.mark.usefixtures("amazon")
def test_a_buckets_region_is_asked_for_once_and_only_where_the_environment_names_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def head(address: str, **_: Any) -> requests.Response:
        asked.append(address)
        answer = requests.Response()
        if not address.endswith("/none"):
            answer.headers["x-amz-bucket-region"] = "eu-north-1"
        return answer

    def region(uri: str) -> str | None:
        store: Any = open_storage(uri)
        return store._store.config.get("region")

    monkeypatch.setattr(requests, "head", head)
    assert [region("s3://lab/one"), region("s3://lab/two")] == ["eu-north-1"] * 2
    assert asked == ["https://s3.amazonaws.com/lab"]
    # A bucket that is not there yet may be made.
    region("s3://none/one")
    region("s3://none/one")
    assert asked[1:] == ["https://s3.amazonaws.com/none"] * 2
    asked.clear()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert region("s3://lab/one") == "us-west-2"
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    assert region("s3://other/one") == "ap-south-1"
    assert region("s3://other/one?region=eu-west-1") == "eu-west-1"
    assert asked == []


@pytest.mark.usefixtures("amazon")
def test_a_bucket_whose_region_nobody_tells_now_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "RETRY_AFTER_S", 0.0)
    asked = []

    def head(address: str, **_: Any) -> requests.Response:
        asked.append(address)
        if len(asked) < 3:
            raise requests.ConnectionError("no route to host")
        answer = requests.Response()
        answer.headers["x-amz-bucket-region"] = "eu-north-1"
        return answer

    monkeypatch.setattr(requests, "head", head)
    with pytest.raises(StorageAwayError, match="s3://lab/one: the bucket's region cannot be asked for"):
        open_storage("s3://lab/one")
    store: Any = patiently(lambda: open_storage("s3://lab/one"))
    assert store._store.config["region"] == "eu-north-1"
    assert asked == ["https://s3.amazonaws.com/lab"] * 3
    asked.clear()
    monkeypatch.setattr(patience, "PATIENCE_S", -1.0)
    with pytest.raises(OSError, match="s3://other/one: the bucket's region"):
        patiently(lambda: open_storage("s3://other/one"))


def test_a_profile_in_the_home_folder_gives_keys(
    s3: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("[lab]\naws_access_key_id = test\naws_secret_access_key = test\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("AWS_PROFILE", "lab")
    open_storage(s3.place("lab")).write("a", b"here")
    assert s3.names() == ["lab/a"]
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(
        StorageError, match=r"^s3://bucket/lab: The config profile \(nobody\) could not be found$"
    ):
        open_storage(s3.place("lab"))
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    with pytest.raises(StorageError, match=r"^s3://bucket/lab: keys in .*/keys need boto3"):
        open_storage(s3.place("lab"))


def test_a_path_loads_no_client(tmp_path: Path) -> None:
    code = """
import sys
import sweep.cli, sweep.driver.run, sweep.report.status
from sweep.folder.study_folder import StudyFolder
StudyFolder.at(sys.argv[1], "one").pull()
from sweep.storage.open_storage import open_storage
open_storage(sys.argv[1]).write("a", b"")
print([name for name in sys.modules if name in ("sweep.storage.object_store", "obstore")])
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
