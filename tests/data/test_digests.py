import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from data.digests import file_digests
from data.json_text import check_sum


def test_a_digest_is_the_files_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"breath")
    (tmp_path / "b").write_bytes(b"")
    expected = [hashlib.sha256(b"breath").hexdigest(), hashlib.sha256(b"").hexdigest()]
    assert file_digests([tmp_path / "a", tmp_path / "b"]) == expected


def test_digests_come_in_the_order_of_the_files(tmp_path: Path) -> None:
    contents = [bytes([number]) * (100000 * (number % 5)) for number in range(40)]
    files = [tmp_path / str(number) for number in range(40)]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    assert file_digests(files) == [hashlib.sha256(content).hexdigest() for content in contents]


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    file, cache = tmp_path / "a", tmp_path / "cache"
    file.write_bytes(b"breath")
    state = file.stat()
    before = file_digests([file], cache)
    file.write_bytes(b"BREATH")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert file_digests([file], cache) == before


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file, cache = tmp_path / "a", tmp_path / "cache"
    file.write_bytes(b"breath")
    before = file_digests([file], cache)
    file.write_bytes(b"wheeze!")
    assert file_digests([file], cache) != before


def test_a_damaged_memory_is_forgotten(tmp_path: Path) -> None:
    file, cache = tmp_path / "a", tmp_path / "cache"
    file.write_bytes(b"breath")
    before = file_digests([file], cache)
    memory = cache / "digests.json"
    written = memory.read_text()
    for damaged in (
        '{"half',
        "[]",
        "3",
        "{}",
        '{"files": {}}',
        *(
            json.dumps({"check_sum": check_sum(files), "files": files})
            for files in ([], {str(file): 3}, None)
        ),
        "[" * 10**5,
        written.replace(before[0][:4], "0000"),
    ):
        memory.write_text(damaged)
        with pytest.warns(UserWarning, match=r"digests\.json: .*; the files are read again"):
            assert file_digests([file], cache) == before
        assert memory.read_text() == written
    assert [path.name for path in cache.iterdir()] == ["digests.json"]


def test_two_names_of_one_file_have_one_digest_each(tmp_path: Path) -> None:
    file, link, other = tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "c.txt"
    file.write_text("same")
    link.symlink_to(file)
    other.write_text("other")
    first, second, third = file_digests([file, link, other])
    assert first == second != third


def test_known_hostile_digests_are_computed_anew(cases: Path, tmp_path: Path) -> None:
    for name in ("a.wav", "digests.json"):
        shutil.copy(cases / "hostile" / "24_digests_list" / name, tmp_path / name)
    with pytest.warns(UserWarning, match=r"digests\.json"):
        (found,) = file_digests([tmp_path / "a.wav"], tmp_path)
    assert found == hashlib.sha256((tmp_path / "a.wav").read_bytes()).hexdigest()
