"""A unit's checkpoint: a file in the study folder, or one on this machine with copies on an object store."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from pathlib import Path
from typing import Any

from data.atomic import file_draft, make_folder, write_whole
from model.training.checkpoint import LostCheckpointError, latest_checkpoint, load_checkpoint, save_checkpoint
from sweep.storage.cache_folder import cache_folder, short_hash
from sweep.storage.open_storage import is_uri, open_storage
from sweep.storage.patience import may_pass, patiently
from sweep.storage.storage import Storage

log = logging.getLogger(__name__)
LEFTOVER_S = 86400.0
"""Time without a save after which the local copy of a unit, whose process was killed, is removed."""
LOST_SHARE = 0.1
"""Largest share of the time that is spent on a store that does not take a checkpoint."""
KEPT = 2
"""Uploaded checkpoints of a unit that stay on the store."""


class UnitCheckpoint:
    """The newest state of a unit, saved below `place`, the study's `units` folder: a path or URI.

    On a path, the state is the file `place/unit/checkpoint.pt`, kept as `model.training.checkpoint` says. On an object
    store, that file lies in this machine's cache, and each save is uploaded as `place/unit/checkpoint-NUMBER.pt`.
    Numbers count up over all machines; the last two files stay. Training hardly waits for a store that is away: a save
    that cannot be uploaded is kept here, and a unit that then loses this machine goes on from the upload before.
    """

    def __init__(self, place: str, unit: str, cache: Path | None = None) -> None:
        self._storage: Storage | None = None
        self._unit = unit
        self._number = 0
        self._uploaded = True
        self._not_before = 0.0
        if not is_uri(place):
            self.path = Path(place) / unit / "checkpoint.pt"
            return
        self._storage = storage = patiently(lambda: open_storage(place))
        units = (cache or cache_folder()) / "units"
        self.path = units / short_hash(storage.place) / unit / "checkpoint.pt"
        _remove_leftovers(units)

    @property
    def in_cache(self) -> bool:
        """Whether `path` lies in this machine's cache, and the study on an object store."""
        return self._storage is not None

    def load(self) -> tuple[dict[str, Any] | None, str | None]:
        """Load the newest readable state, with a note on damaged files that were skipped; None each if there is none.

        The stored state is taken when it is newer than the local one. Raises OSError when the store refuses, or does
        not answer for minutes: beginning anew would lose the stored state.
        """
        if self._storage is None:
            return latest_checkpoint(self.path)
        here = self._number = self._number_here()
        stored = patiently(self._stored)
        self._number = max([here, *stored])
        trouble: list[str] = []
        for number in sorted({here, *stored} - {0}, reverse=True):
            state = self._read(trouble) if number == here else None
            # What an earlier worker of this machine could not upload is here alone.
            self._uploaded = state is None or number in stored
            if state is None and number in stored:
                state = self._fetch(stored[number], number, trouble)
            if state is not None:
                return state, _note(trouble)
        state, note = latest_checkpoint(self.path)
        self._uploaded = state is None
        if state is None and trouble:
            note = f"{'; '.join(trouble)}; the run begins anew"
        return state, note

    def begin(self) -> None:
        """Make the folder of the unit, where it lies on a path; who ends the unit removes it. Raises OSError."""
        if self._storage is None:
            make_folder(self.path.parent)

    @property
    def is_wanted(self) -> bool:
        """Whether a state of the unit may still be used, as far as can be told.

        On a path it may until the unit's folder is removed. On an object store it may while a saved one lies there;
        nothing is known of a unit that was never saved, or of a store that is away.
        """
        if self._storage is None:
            return self.path.parent.exists()
        with contextlib.suppress(OSError):
            return bool(self._stored())
        return False

    def save(self, state: dict[str, Any]) -> None:
        """Save a state, and upload it. Raises OSError when the local disk is full or broken, or the store refuses."""
        save_checkpoint(self.path, state)
        if self._storage is None:
            return
        self._number += 1
        write_whole(self._number_file, f"{self._number}\n", to_disk=False)
        self._uploaded = False
        began = time.monotonic()
        if began < self._not_before:
            return
        try:
            self._storage.upload(self.path, self._name(self._number))
            self._uploaded = True
            for number, name in self._stored().items():
                if number <= self._number - KEPT:
                    self._storage.remove(name)
        except OSError as error:
            if not may_pass(error):
                raise
            now = time.monotonic()
            self._not_before = now + (now - began) / LOST_SHARE
            log.warning("%s: checkpoint not uploaded: %s", self._unit, error)

    def close(self) -> None:
        """Remove the local copy of an uploaded state, as the unit has ended on this machine or goes on elsewhere."""
        if self._storage is not None and self._uploaded:
            shutil.rmtree(self.path.parent, ignore_errors=True)

    @property
    def _number_file(self) -> Path:
        return self.path.with_name("number")

    def _number_here(self) -> int:
        """Number of the local state; 0 when there is no state, or its number was lost."""
        if not self.path.exists():
            return 0
        try:
            return int(self._number_file.read_text())
        except (OSError, ValueError):
            return 0

    def _name(self, number: int) -> str:
        return f"{self._unit}/checkpoint-{number:08d}.pt"

    def _stored(self) -> dict[int, str]:
        assert self._storage is not None
        names = {}
        for name in self._storage.sizes(self._unit):
            with contextlib.suppress(ValueError):
                names[int(Path(name).stem.removeprefix("checkpoint-"))] = f"{self._unit}/{name}"
        return names

    def _fetch(self, name: str, number: int, trouble: list[str]) -> dict[str, Any] | None:
        """Fetch a stored file, make it the local one, and read its state.

        None when the file is gone by now; None, and a line added to `trouble`, when it is damaged.
        """
        storage = self._storage
        assert storage is not None
        make_folder(self.path.parent)
        try:
            with file_draft(self.path, to_disk=False) as draft:
                patiently(lambda: storage.download(name, draft))
                try:
                    state = load_checkpoint(draft)
                except LostCheckpointError as error:
                    trouble.append(str(error).replace(str(draft), f"{storage.place}: {name}"))
                    raise
        except (FileNotFoundError, LostCheckpointError):
            return None
        write_whole(self._number_file, f"{number}\n", to_disk=False)
        return state

    def _read(self, trouble: list[str]) -> dict[str, Any] | None:
        """Read the state in the local file; None, and a line added to `trouble`, when the file is damaged."""
        try:
            return load_checkpoint(self.path)
        except LostCheckpointError as error:
            trouble.append(str(error))
            return None


def _note(trouble: list[str]) -> str | None:
    return f"{'; '.join(trouble)}; going on from the one before it" if trouble else None


def _remove_leftovers(units: Path) -> None:
    """Remove local copies of units whose process was killed here and that did not come back within `LEFTOVER_S`."""
    for folder in units.glob("*/*"):
        with contextlib.suppress(OSError):
            if max(path.stat().st_mtime for path in [folder, *folder.iterdir()]) < time.time() - LEFTOVER_S:
                shutil.rmtree(folder)
