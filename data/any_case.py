"""Files found by name whatever the case of their letters, as unpacked archives and other systems have changed it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path


def entries(folder: Path) -> list[Path]:
    """List what lies in `folder`, sorted by name; hidden entries are left out, and a folder that refuses has none."""
    try:
        return sorted(folder / name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        return []


def file_named(folders: Iterable[Path], names: Sequence[str]) -> Path | None:
    """Find the first file of one of `names`: folder by folder, name by name, as it is written before other cases."""
    for folder in folders:
        lying = entries(folder)
        for name in names:
            matches = [path for path in lying if path.name.casefold() == name.casefold() and path.is_file()]
            if matches:
                return min(matches, key=lambda path: path.name != name)
    return None
