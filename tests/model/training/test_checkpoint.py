import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from model.training.checkpoint import CheckpointError, latest_checkpoint, load_checkpoint, save_checkpoint
from tests.disks import disk_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pt"


def save_epochs(path: Path, epochs: int) -> None:
    for epoch in range(1, epochs + 1):
        save_checkpoint(path, {"epoch": epoch, "weights": torch.full((1000,), float(epoch))})


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:500])


def flip_a_bit(path: Path) -> None:
    """In the middle, which is inside the weights."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def scribble(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 20)


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGE = (tear, flip_a_bit, scribble, empty)


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "unit" / "checkpoint.pt"
    save_checkpoint(path, {"seed": 3, "weights": torch.arange(4.0)})
    state = load_checkpoint(path)
    assert state["seed"] == 3
    assert torch.equal(state["weights"], torch.arange(4.0))


def test_a_failed_save_leaves_the_last_one_and_no_rubbish(path: Path) -> None:
    save_checkpoint(path, {"epoch": 1})
    with pytest.raises((pickle.PicklingError, AttributeError)):
        save_checkpoint(path, {"epoch": lambda: 2})
    assert load_checkpoint(path)["epoch"] == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["checkpoint.pt"]


def test_a_missing_and_a_foreign_file_are_refused(path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_checkpoint(path)
    torch.save({"format": 99}, path)
    with pytest.raises(CheckpointError, match="format 99, this version reads 1 and 2"):
        load_checkpoint(path)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused(path: Path, damage: Callable[[Path], None]) -> None:
    save_epochs(path, 1)
    damage(path)
    with pytest.raises(CheckpointError, match=r"checkpoint.pt: not a readable checkpoint \(BadZipFile\)"):
        load_checkpoint(path)


def test_no_byte_of_the_weights_can_change_unnoticed(path: Path) -> None:
    weights = torch.full((8,), 0.1)
    save_checkpoint(path, {"weights": weights})
    whole = path.read_bytes()
    place = whole.index(weights.numpy().tobytes())
    for at in range(place, place + 32):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(CheckpointError, match="not a readable checkpoint"):
            load_checkpoint(path)


def test_the_latest_of_whole_files_needs_no_note(path: Path) -> None:
    assert latest_checkpoint(path) == (None, None)
    for epochs in (1, 3):
        save_epochs(path, epochs)
        state, note = latest_checkpoint(path)
        assert state is not None
        assert (state["epoch"], note) == (epochs, None)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_falls_back_to_the_one_before_it(path: Path, damage: Callable[[Path], None]) -> None:
    save_epochs(path, 3)
    damage(path)
    state, note = latest_checkpoint(path)
    assert state is not None
    assert state["epoch"] == 2
    assert torch.equal(state["weights"], torch.full((1000,), 2.0))
    assert note == (
        f"{path}: not a readable checkpoint (BadZipFile), kept as checkpoint.damaged.pt; "
        "going on from the one before it, checkpoint.previous.pt"
    )


def test_a_lost_file_falls_back_to_the_one_before_it(path: Path) -> None:
    save_epochs(path, 2)
    path.unlink()
    state, note = latest_checkpoint(path)
    assert state is not None
    assert state["epoch"] == 1
    assert note == f"{path}: no such checkpoint; going on from the one before it, checkpoint.previous.pt"


def test_without_a_whole_file_a_run_begins_anew_and_says_so(path: Path) -> None:
    save_epochs(path, 2)
    tear(path)
    scribble(path.with_name("checkpoint.previous.pt"))
    state, note = latest_checkpoint(path)
    assert state is None
    assert note == (
        f"{path}: not a readable checkpoint (BadZipFile), kept as checkpoint.damaged.pt; "
        f"{path.with_name('checkpoint.previous.pt')}: not a readable checkpoint (BadZipFile); the run begins anew"
    )


def test_a_damaged_file_never_takes_the_place_of_a_whole_one(path: Path) -> None:
    save_epochs(path, 2)
    tear(path)
    torn = path.read_bytes()
    latest_checkpoint(path)
    assert path.with_name("checkpoint.damaged.pt").read_bytes() == torn
    save_checkpoint(path, {"epoch": 2})
    tear(path)
    state, _ = latest_checkpoint(path)
    assert state is not None
    assert state["epoch"] == 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"format": 99}, "99"),
        ({"format": torch.ones(3)}, "dict"),
        ({"format": 2.0}, "dict"),
        ({}, "dict"),
        ([2], "list"),
        (2, "int"),
    ],
)
def test_a_whole_file_of_another_format_is_not_passed_over(path: Path, content: object, found: str) -> None:
    save_epochs(path, 2)
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=f"format {found}, this version reads 1 and 2"):
        latest_checkpoint(path)
    assert path.exists()


@pytest.mark.parametrize("content", [b"import torch\n", b"\0\0x\0", b"{}"])
def test_a_file_that_never_was_a_checkpoint_is_refused_and_left(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt: no checkpoint, and left as it is"):
        latest_checkpoint(path)
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"", b"\0", bytes(5000)])
def test_what_a_crash_of_the_machine_leaves_is_damage(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    state, note = latest_checkpoint(path)
    assert state is None
    assert note is not None
    assert "kept as checkpoint.damaged.pt; " in note
    assert note.endswith("the run begins anew")


def test_a_disk_that_does_not_answer_is_not_a_damaged_file(path: Path) -> None:
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        latest_checkpoint(path)


@pytest.mark.parametrize(("renames", "left"), [(0, 2), (1, 2), (2, 3)])
def test_a_save_that_is_cut_off_leaves_a_whole_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, renames: int, left: int
) -> None:
    save_epochs(path, 2)
    replace, done = os.replace, []

    def cut_off_after_some(*names: Path) -> None:
        if len(done) == renames:
            raise KeyboardInterrupt
        replace(*names)
        done.append(names)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", cut_off_after_some)
        try:
            save_checkpoint(path, {"epoch": 3})
        except KeyboardInterrupt:
            assert renames < 2
    state, _ = latest_checkpoint(path)
    assert state is not None
    assert state["epoch"] == left


@pytest.mark.parametrize("other_saved_too", [False, True])
def test_two_processes_that_save_the_same_run_both_do(
    path: Path, monkeypatch: pytest.MonkeyPatch, other_saved_too: bool
) -> None:
    save_epochs(path, 2)
    replace = os.replace

    def after_another_process(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "replace", replace)
        replace(path, path.with_name("checkpoint.previous.pt"))
        if other_saved_too:
            save_checkpoint(path, {"epoch": 3})
        os.replace(source, target)

    monkeypatch.setattr(os, "replace", after_another_process)
    save_checkpoint(path, {"epoch": 4})
    assert load_checkpoint(path)["epoch"] == 4
    assert load_checkpoint(path.with_name("checkpoint.previous.pt"))["epoch"] == (3 if other_saved_too else 2)


def test_a_full_disk_is_an_os_error_and_leaves_what_was_there(path: Path) -> None:
    save_checkpoint(path, {"epoch": 1})
    with disk_of(4096), pytest.raises(OSError, match=r"File too large"):
        save_checkpoint(path, {"weights": torch.zeros(100_000)})
    assert load_checkpoint(path)["epoch"] == 1
    assert [file.name for file in path.parent.iterdir()] == [path.name]
