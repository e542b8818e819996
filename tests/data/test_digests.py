import hashlib
import os
from pathlib import Path

from data.digests import file_digests


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
    (cache / "digests.json").write_text('{"half')
    assert file_digests([file], cache) == before
    assert [path.name for path in cache.iterdir()] == ["digests.json"]


def test_two_names_of_one_file_have_one_digest_each(tmp_path: Path) -> None:
    file, link, other = tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "c.txt"
    file.write_text("same")
    link.symlink_to(file)
    other.write_text("other")
    first, second, third = file_digests([file, link, other])
    assert first == second != third
