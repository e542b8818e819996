"""What this process and its descendants use: processor time, memory, file handles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Use:
    """What one process uses; `processor_s` since it began."""

    pid: int
    name: str
    processor_s: float
    memory_mb: float
    handles: int


def family() -> list[Use]:
    """List this process and all that descend from it, as they are now, without those that have ended.

    Ray must have been imported, which brings psutil along.
    """
    import psutil

    own = psutil.Process()
    return [use for process in (own, *own.children(recursive=True)) for use in _use(process)]


def _use(process: Any) -> Iterator[Use]:
    import psutil

    try:
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info().rss
            name = " ".join(process.cmdline()[:1]) or process.name()
            yield Use(process.pid, name, times.user + times.system, memory / 1e6, process.num_fds())
    except psutil.NoSuchProcess:
        return
