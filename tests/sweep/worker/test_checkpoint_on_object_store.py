import errno
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sweep.storage import patience
from sweep.storage.open_storage import open_storage
from sweep.worker import checkpoint as unit_checkpoint
from sweep.worker.checkpoint import LEFTOVER_S, UnitCheckpoint

UNIT = "0003-seed1"


def state(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "weights": torch.full((3,), float(epoch))}


class Machines:
    """The same unit as each machine sees it: every one has a cache of its own."""

    def __init__(self, place: str, caches: Path) -> None:
        self.place, self.caches = place, caches

    def on(self, machine: str) -> UnitCheckpoint:
        return UnitCheckpoint(self.place, UNIT, self.caches / machine)

    def epoch(self, machine: str) -> tuple[int | None, str | None]:
        found, note = self.on(machine).load()
        return (None if found is None else found["epoch"]), note

    def names(self) -> list[str]:
        return sorted(open_storage(self.place).sizes(UNIT))


@pytest.fixture
def machines(s3: Any, tmp_path: Path) -> Machines:
    return Machines(s3.place("lab/one/units"), tmp_path)


def saved(checkpoint: UnitCheckpoint, *epochs: int) -> UnitCheckpoint:
    checkpoint.load()
    for epoch in epochs:
        checkpoint.save(state(epoch))
    return checkpoint


def test_a_unit_goes_on_where_another_machine_saved_it(machines: Machines) -> None:
    assert machines.epoch("a") == (None, None)
    saved(machines.on("a"), 1, 2, 3)
    assert machines.epoch("b") == (3, None)
    saved(machines.on("b"), 4)
    assert machines.names() == ["checkpoint-00000003.pt", "checkpoint-00000004.pt"]
    # What lies on the first machine is older than what lies on the store.
    assert machines.epoch("a") == (4, None)


def test_a_damaged_download_falls_back_to_the_one_before_it_and_says_so(machines: Machines) -> None:
    saved(machines.on("a"), 1, 2)
    stored = open_storage(machines.place)
    whole = stored.read(f"{UNIT}/checkpoint-00000002.pt")
    stored.write(f"{UNIT}/checkpoint-00000002.pt", whole[: len(whole) // 2])
    epoch, note = machines.epoch("b")
    assert epoch == 1
    assert note is not None
    assert f"{machines.place}: {UNIT}/checkpoint-00000002.pt: not a readable checkpoint" in note
    assert note.endswith("going on from the one before it")
    saved(machines.on("b"), 2)
    assert machines.epoch("c") == (2, None)
    stored.write(f"{UNIT}/checkpoint-00000002.pt", b"")
    stored.write(f"{UNIT}/checkpoint-00000003.pt", b"torn")
    epoch, note = machines.epoch("d")
    assert epoch is None
    assert (note or "").endswith("the run begins anew")


def test_a_damaged_local_copy_is_fetched_again(machines: Machines) -> None:
    checkpoint = saved(machines.on("a"), 1, 2)
    checkpoint.path.write_bytes(b"torn")
    epoch, note = machines.epoch("a")
    assert epoch == 2
    assert f"{checkpoint.path}: not a readable checkpoint" in (note or "")


def test_training_does_not_wait_for_a_store_that_is_away(machines: Machines, s3: Any) -> None:
    checkpoint = saved(machines.on("a"), 1)
    with s3.away():
        checkpoint.save(state(2))
        # This machine has the newer one, and keeps it.
        checkpoint.close()
        assert checkpoint.path.exists()
    assert machines.epoch("b") == (1, None)
    assert machines.epoch("a") == (2, None)
    saved(machines.on("a"), 3)
    assert machines.epoch("b") == (3, None)


def test_what_a_dead_worker_could_not_upload_outlives_the_next_one_on_its_machine(
    machines: Machines, s3: Any
) -> None:
    checkpoint = saved(machines.on("a"), 1)
    with s3.away():
        checkpoint.save(state(2))
    # The process is killed, and the unit's next worker here is stopped before it saves anything.
    again = saved(machines.on("a"))
    again.close()
    assert machines.epoch("a") == (2, None)
    saved(again, 3).close()
    assert not again.path.exists()
    assert machines.epoch("a") == (3, None)


def test_a_store_that_takes_no_checkpoint_costs_at_most_a_tenth_of_the_time(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, tries = [0.0], []
    checkpoint = saved(machines.on("a"), 1)

    def no_answer(*_: object) -> None:
        tries.append(now[0])
        now[0] += 30.0
        raise OSError("no answer")

    monkeypatch.setattr(unit_checkpoint, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(checkpoint._storage, "upload", no_answer)
    for epoch in range(2, 42):
        now[0] += 60.0
        checkpoint.save(state(epoch))
    assert len(tries) > 5
    assert 30.0 * len(tries) <= 0.1 * now[0]


def test_a_unit_waits_for_a_store_that_may_have_its_checkpoint(machines: Machines, s3: Any) -> None:
    saved(machines.on("a"), 1)
    found: list[tuple[int | None, str | None]] = []
    with s3.away():
        waiting = threading.Thread(target=lambda: found.append(machines.epoch("b")))
        waiting.start()
        waiting.join(3)
        assert waiting.is_alive()
    waiting.join(60)
    assert found == [(1, None)]


def test_a_store_that_stays_away_is_an_error_and_not_a_beginning(
    machines: Machines, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_S", 0.0)
    with s3.away(), pytest.raises(OSError, match=r"."):
        machines.on("b").load()


def test_a_store_that_refuses_is_an_error_at_once(tmp_path: Path, s3: Any) -> None:
    with pytest.raises(OSError, match=r"NO_SUCH_BUCKET|does not exist|NoSuchBucket"):
        UnitCheckpoint("s3://nobody-has-this/units", UNIT, tmp_path).save(state(1))


def test_the_local_copy_goes_when_the_unit_has_left(machines: Machines) -> None:
    checkpoint = saved(machines.on("a"), 1)
    checkpoint.close()
    assert not checkpoint.path.parent.exists()
    assert machines.epoch("a") == (1, None)


def test_copies_that_killed_processes_left_are_removed_after_a_day(machines: Machines) -> None:
    checkpoint = saved(machines.on("a"), 1)
    other = UnitCheckpoint(machines.place, "0009-seed1", machines.caches / "a")
    saved(other, 1)
    for path in [*checkpoint.path.parent.iterdir(), checkpoint.path.parent]:
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - LEFTOVER_S - 60))
    machines.on("a")
    assert not checkpoint.path.exists()
    assert other.path.exists()


def test_a_full_local_disk_is_an_error(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(unit_checkpoint, "save_checkpoint", full)
    with pytest.raises(OSError, match="No space left"):
        machines.on("a").save(state(1))
