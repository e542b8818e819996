"""A training run on disk: written whole or not at all, checked when read, with the one before it to fall back on."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from data.atomic import make_folder, write_whole
from data.errors import UserError
from model.tensor_archive import check_archive, load_tensors

FORMAT = 2
"""Version of what a checkpoint holds: since 2, an epoch may be saved in its middle."""


class CheckpointError(UserError):
    """A checkpoint that is missing, damaged, or of another run."""


class LostCheckpointError(CheckpointError):
    """A checkpoint that is not there, was cut short, or whose bytes are not those that were written."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors and plain values) to `path`; what was there stays, as `NAME.previous.pt`.

    A crash at any point leaves a whole file that `latest_checkpoint` finds.
    """
    make_folder(path.parent)
    # torch.save tells of a full disk in words of its own; an OSError says what it is.
    content = BytesIO()
    torch.save({"format": FORMAT, **state}, content)
    # The other process, if there is one, is about to be stopped, and saves the same run at this moment.
    write_whole(path, content.getbuffer(), keep_as=_beside(path, "previous"))


def latest_checkpoint(path: Path) -> tuple[dict[str, Any] | None, str | None]:
    """Read the newest readable state that was saved to `path`; returns it with a note on files passed over, if any.

    The state is None when the run has to begin anew: with a note when files are damaged, without one when there
    are none. A damaged file at `path` is moved to `NAME.damaged.pt`, as the note says, or the next save would put it in
    the place of the good one before it. Raises CheckpointError for a whole file of another format, and for a file that
    was never a checkpoint, and OSError when the disk does not answer: none is damage, and training over it would lose
    what is there.
    """
    previous = _beside(path, "previous")
    if not path.exists() and not previous.exists():
        return None, None
    state, trouble = _read_if_whole(path)
    if state is not None:
        return state, None
    if path.exists():
        if not previous.exists() and _never_was_one(path):
            raise CheckpointError(
                f"{path}: no checkpoint, and left as it is; expected one of respsweep, or a name that is free"
            )
        os.replace(path, _beside(path, "damaged"))
        trouble += f", kept as {_beside(path, 'damaged').name}"
    state, more_trouble = _read_if_whole(previous)
    if state is not None:
        return state, f"{trouble}; going on from the one before it, {previous.name}"
    return None, f"{trouble}; {more_trouble}; the run begins anew"


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read the state that `save_checkpoint` wrote to `path`, onto the CPU.

    Raises LostCheckpointError when the file is missing or damaged, CheckpointError when its format is another.
    """
    try:
        content = BytesIO(path.read_bytes())
    except FileNotFoundError:
        raise LostCheckpointError(f"{path}: no such checkpoint") from None
    try:
        check_archive(content)
        state = load_tensors(content)
    except MemoryError:
        raise
    except Exception as error:
        raise LostCheckpointError(f"{path}: not a readable checkpoint ({type(error).__name__})") from error
    found = state.get("format") if isinstance(state, dict) else None
    if type(found) is not int or found not in (1, FORMAT):
        shown = found if type(found) is int else type(state).__name__
        raise CheckpointError(f"{path}: checkpoint format {shown}, this version reads 1 and 2")
    return state


def _beside(path: Path, role: str) -> Path:
    return path.with_name(f"{path.stem}.{role}{path.suffix}")


def _read_if_whole(path: Path) -> tuple[dict[str, Any] | None, str]:
    try:
        return load_checkpoint(path), ""
    except LostCheckpointError as error:
        return None, str(error)


def _never_was_one(path: Path) -> bool:
    """Whether a file begins as no checkpoint does. A crash of the machine can leave an empty file, or zeros."""
    with path.open("rb") as file:
        beginning = file.read(4)
    return beginning not in (b"PK\3\4", bytes(len(beginning)))
