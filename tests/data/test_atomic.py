"""A crash at any moment leaves the old file or folder, or the new one, and nothing beside them."""

import contextlib
import errno
import os
import threading
from pathlib import Path

import pytest

from data.atomic import build_once, file_draft, folder_draft, make_folder, write_whole


def crash(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "best.yaml"
    write_whole(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", crash)
        with pytest.raises(KeyboardInterrupt):
            write_whole(path, "new")
    assert path.read_text() == "old"
    write_whole(path, "new é")
    assert path.read_text(encoding="utf-8") == "new é"
    write_whole(path, memoryview(b"bytes"))
    assert path.read_bytes() == b"bytes"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    for name in ("fsync", "replace"):
        call = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *given, name=name, call=call: (done.append(name), call(*given)))
    write_whole(tmp_path / "a", "", to_disk=False)
    write_whole(tmp_path / "a", "")
    assert done == ["replace", "fsync", "replace"]


def test_what_was_there_can_be_kept(tmp_path: Path) -> None:
    for content in ("1", "2", "3"):
        write_whole(tmp_path / "a", content, keep_as=tmp_path / "before")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "3", "before": "2"}


def test_a_full_disk_is_told_with_the_name_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*/a'$") as error:
        write_whole(tmp_path / "a", "")
    assert error.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_an_error_about_something_else_keeps_its_words(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error, file_draft(tmp_path / "a"):
        (tmp_path / "none").read_bytes()
    assert error.value.filename == str(tmp_path / "none")
    with pytest.raises(OSError, match=r"^no answer$"), file_draft(tmp_path / "a"):
        raise OSError("no answer")


def test_a_folder_appears_when_it_is_full_and_a_failed_one_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "features"
    with contextlib.suppress(KeyboardInterrupt), folder_draft(folder) as draft:
        (draft / "a").write_text("half")
        crash()
    assert list(tmp_path.iterdir()) == []
    with folder_draft(folder) as draft:
        (draft / "a").write_text("whole")
        assert not folder.exists()
    assert (folder / "a").read_text() == "whole"
    assert list(tmp_path.iterdir()) == [folder]


def test_of_processes_that_need_a_folder_one_builds_it(tmp_path: Path) -> None:
    built, folder = [], tmp_path / "cache" / "features"

    def build(draft: Path) -> None:
        built.append(draft)
        (draft / "a").write_text("whole")

    (folder.parent / ".draft-features-left-by-a-kill").mkdir(parents=True)
    threads = [threading.Thread(target=build_once, args=(folder, build)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert {path.name for path in folder.parent.iterdir()} == {"features", ".lock"}


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_is_made_is_for_its_user_alone_and_what_a_lab_has_opened_stays_open(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    before = os.umask(0o022)
    try:
        make_folder(tmp_path / "studies" / "one")
        build_once(tmp_path / "cache" / "store", lambda draft: (draft / "index.json").touch())
        path = tmp_path / "studies" / "best.yaml"
        write_whole(path, "a")
    finally:
        os.umask(before)
    for folder in ("studies", "studies/one", "cache", "cache/store"):
        assert mode(tmp_path / folder) == 0o700, folder
    assert mode(tmp_path) == 0o755
    assert mode(path) == 0o600
    path.chmod(0o640)
    (tmp_path / "studies").chmod(0o750)
    write_whole(path, "b")
    make_folder(tmp_path / "studies")
    assert (mode(path), mode(tmp_path / "studies")) == (0o640, 0o750)


def test_a_folder_is_made_once_where_it_must_be_new_and_never_over_a_file(tmp_path: Path) -> None:
    make_folder(tmp_path / "one", exist_ok=False)
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "one", exist_ok=False)
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        make_folder(tmp_path / "file" / "below")
