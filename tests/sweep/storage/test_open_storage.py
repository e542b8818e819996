"""Paths are told from URIs, and a URI with a secret is refused."""

from pathlib import Path

import pytest

from sweep.storage.folder_storage import FolderStorage
from sweep.storage.open_storage import above, below, checked_uri, is_uri, open_storage
from sweep.storage.storage import StorageError


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


def test_a_path_is_a_folder(tmp_path: Path) -> None:
    assert isinstance(open_storage(tmp_path), FolderStorage)


@pytest.mark.parametrize("uri", ["s3://", "s3:///lab", "gs://", "s3://?region=eu"])
def test_a_uri_without_a_bucket_is_refused_before_anybody_is_asked(uri: str) -> None:
    with pytest.raises(StorageError, match=r"names no bucket; expected (s3|gs)://BUCKET or"):
        open_storage(uri)
