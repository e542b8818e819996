"""What a section of `benchmarks/gpu_check.py` tells, and why one is not run."""

from __future__ import annotations

from dataclasses import dataclass, field


class NotHereError(Exception):
    """What a section needs is not on this machine; says what."""


@dataclass(frozen=True)
class Found:
    """What a section found, in a line, and the bars that it missed."""

    line: str = ""
    missed: tuple[str, ...] = field(default=())
