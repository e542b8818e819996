"""Counts, sizes and times as people read them."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, thing: str) -> str:
    """Write how many there are of a thing whose plural ends in s: `1 unit`, `2 units`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def listed(words: Sequence[str]) -> str:
    """Write at least one word as a list: `a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def gibibytes(size: int) -> str:
    """Write a size in bytes as GiB: `1.50 GiB`."""
    return f"{size / 2**30:.2f} GiB"


def size(of: int) -> str:
    """Write a size in bytes as people read it: `3.2 MiB`, from a GiB on `1.50 GiB`."""
    return gibibytes(of) if of >= 2**30 else f"{of / 2**20:.1f} MiB"


def duration(seconds: float) -> str:
    """Write seconds as `h:mm:ss`, or as `m:ss` below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
