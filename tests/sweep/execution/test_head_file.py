from pathlib import Path

import pytest

from sweep.execution.errors import ExecutorError
from sweep.execution.head_file import FILE, Head, has_let_go, read_head, remove_head, write_head
from sweep.execution.head_proof import HeadProof


def test_a_head_is_written_for_its_owner_alone_and_read_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    head = Head.here("10.0.0.1:6379", "secret", "10.0.0.1:7")
    write_head(tmp_path, head)
    assert read_head(tmp_path) == head
    assert head.job == "7"
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"address": "a:1"}',
        '{"address": "a:1", "port": 2}',
        "\x00",
        '{"address": 1, "token": "a", "proof": ["a:1"], "host": "a", "pid": 1, "since": 1.0}',
        100_000 * "[",
    ],
)
def test_a_file_that_is_none_of_ours_is_no_head(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    assert read_head(tmp_path) is None


def test_a_driver_removes_its_own_file_and_no_other_drivers(tmp_path: Path) -> None:
    first, second = Head.here("10.0.0.1:1", "a", ""), Head.here("10.0.0.2:2", "b", "")
    write_head(tmp_path, second)
    remove_head(tmp_path, first)
    assert read_head(tmp_path) == second
    remove_head(tmp_path, second)
    assert read_head(tmp_path) is None


def test_a_driver_has_let_go_when_its_file_is_gone_or_anothers_and_not_when_the_folder_is_away(
    tmp_path: Path,
) -> None:
    first, second = Head.here("10.0.0.1:1", "a", ""), Head.here("10.0.0.2:2", "b", "")
    write_head(tmp_path, first)
    assert not has_let_go(tmp_path, first)
    assert has_let_go(tmp_path, second)
    (tmp_path / FILE).write_text("{")
    assert has_let_go(tmp_path, first)
    (tmp_path / FILE).unlink()
    assert has_let_go(tmp_path, first)
    # Cannot be read, as where a file server has a bad moment.
    (tmp_path / FILE).mkdir()
    assert not has_let_go(tmp_path, first)
    assert read_head(tmp_path) is None


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match=r"head.json: cannot be written, so that no worker could find"):
        write_head(tmp_path / "missing", Head.here("10.0.0.1:1", "a", ""))


def test_a_head_proves_itself_while_its_driver_lives() -> None:
    with HeadProof("127.0.0.1:6379", "a") as proof:
        head = Head.here("127.0.0.1:6379", "a", proof.address)
        assert head.proves_itself()
        assert not Head.here("127.0.0.1:6379", "b", proof.address).proves_itself()
    assert not head.proves_itself()
