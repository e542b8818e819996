"""What a folder alone can show; all that both kinds of storage do is in `test_object_store.py`."""

import contextlib
from pathlib import Path

import pytest

from sweep.storage.folder_storage import FolderStorage


def test_a_file_that_is_being_written_is_not_listed_and_a_failed_one_leaves_nothing(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    with contextlib.suppress(RuntimeError), storage._draft("a/b") as draft:
        draft.write_bytes(b"half")
        assert storage.sizes() == {}
        raise RuntimeError
    assert list((tmp_path / "a").iterdir()) == []


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        FolderStorage(tmp_path / "lab").upload(tmp_path / "none", "a")
    assert missing.value.filename == str(tmp_path / "none")
