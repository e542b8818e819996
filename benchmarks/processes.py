"""What this process and its descendants use: processor time, memory, file handles; read from Linux's /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ENDED = "Z"
"""State of a process that has ended, and that nobody has asked about."""


@dataclass(frozen=True)
class Use:
    """What one process uses; `processor_s` since it began."""

    pid: int
    name: str
    processor_s: float
    memory_mb: float
    handles: int


def family() -> list[Use]:
    """List this process and all that descend from it, as they are now."""
    parents = {int(path.name): parent for path, parent in _parents()}
    return [use for pid in parents if _descends(pid, parents) and (use := _use(pid)) is not None]


def _parents() -> Iterator[tuple[Path, int]]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and (fields := _fields(path)) is not None:
            yield path, int(fields[2])


def _descends(pid: int, parents: dict[int, int]) -> bool:
    while pid != os.getpid() and pid in parents:
        pid = parents[pid]
    return pid == os.getpid()


def _use(pid: int) -> Use | None:
    path = Path(f"/proc/{pid}")
    fields = _fields(path)
    if fields is None or fields[1] == ENDED:
        return None
    try:
        handles = len(list((path / "fd").iterdir()))
    except OSError:
        return None
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    return Use(
        pid, fields[0], (int(fields[12]) + int(fields[13])) / ticks, int(fields[22]) * page / 1e6, handles
    )


def _fields(path: Path) -> list[str] | None:
    """Read `stat` of a process: its name, and all that follows; None when the process is gone."""
    try:
        name, _, rest = (path / "stat").read_text().partition("(")[2].rpartition(")")
    except OSError:
        return None
    return [name, *rest.split()]
