"""SHA-256 of files, remembered by path, size and time of change so that asking again is cheap.

The memory carries a check sum: one that was changed, or is of an earlier version, is forgotten with a warning.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeGuard

from data.atomic import make_folder, write_whole
from data.json_text import check_sum, parse_json

MEMORY = "digests.json"


def file_digests(paths: Sequence[Path], cache: Path | None = None) -> list[str]:
    """Compute the hexadecimal SHA-256 of each file; with a `cache` folder, unchanged files are not read again."""
    known = _recall(cache)
    places = [str(path.resolve()) for path in paths]
    with ThreadPoolExecutor() as pool:
        fresh = dict(zip(places, pool.map(_entry, paths, map(known.get, places)), strict=True))
    if cache is not None and any(known.get(place) != entry for place, entry in fresh.items()):
        _remember(cache, known | fresh)
    return [str(fresh[place][-1]) for place in places]


Entry = list[int | str]  # size in bytes, time of change in ns, digest


def _entry(path: Path, known: Entry | None) -> Entry:
    state = path.stat()
    if known is not None and known[:2] == [state.st_size, state.st_mtime_ns]:
        return known
    with path.open("rb") as file:
        return [state.st_size, state.st_mtime_ns, hashlib.file_digest(file, "sha256").hexdigest()]


def _recall(cache: Path | None) -> dict[str, Entry]:
    if cache is None:
        return {}
    try:
        memory = parse_json((cache / MEMORY).read_bytes())
        files = memory.get("files") if isinstance(memory, dict) else None
        if not _are_entries(files) or memory.get("check_sum") != check_sum(files):
            raise ValueError("not what was written")
        return files
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        warnings.warn(f"{cache / MEMORY}: {error}; the files are read again", stacklevel=4)
        return {}


def _are_entries(files: object) -> TypeGuard[dict[str, Entry]]:
    return isinstance(files, dict) and all(
        isinstance(entry, list) and len(entry) == 3 for entry in files.values()
    )


def _remember(cache: Path, entries: dict[str, Entry]) -> None:
    make_folder(cache)
    memory = {"check_sum": check_sum(entries), "files": entries}
    write_whole(cache / MEMORY, json.dumps(memory), to_disk=False)
