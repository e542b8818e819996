"""Places that a command is to write to, checked before it works for hours on what goes there."""

from __future__ import annotations

import os
from pathlib import Path

from data.settings import ConfigError


def check_output_file(output: Path) -> None:
    """Raise ConfigError unless a file can be written at `output`: no folder, in a folder that is there."""
    if output.is_dir():
        raise ConfigError(f"--output: must be a file, got the folder {output}")
    if not output.absolute().parent.is_dir():
        raise ConfigError(f"--output: must lie in a folder that is there, got {output}")
    _check_writable(output.absolute().parent)


def check_output_folder(output: Path) -> None:
    """Raise ConfigError unless `output` is a folder that can be written to, or one can be made there."""
    there = next(place for place in (output.absolute(), *output.absolute().parents) if place.exists())
    if not there.is_dir():
        raise ConfigError(f"--output: must be a folder, and {there} is a file")
    _check_writable(there)


def _check_writable(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"--output: nothing may be written to {folder}; name another folder")
