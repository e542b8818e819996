"""A chain over the lines of a file: each line ends in a check sum of itself and of all lines before it.

Whoever changes, removes or inserts a line has to write all check sums anew from there on. They need no secret: a chain
shows slips and quiet edits, and does not stop somebody who computes it again, nor one who cuts lines off the end.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

CHAIN = "chain"
"""Key of the check sum, the last one of a line."""
_DIGITS = 16
_KEY, _END = f', "{CHAIN}": "'.encode(), b'"}'
_SHOWN = 3


class Chain:
    """The check sum of the lines taken so far: SHA-256, of which the first 16 hexadecimal digits are kept."""

    def __init__(self) -> None:
        self._last = b""

    def seal(self, line: bytes) -> bytes:
        """Take the next line, an object of JSON without a check sum; returns it with one at its end."""
        body = line[:-1]
        self._last = self._sum(body)
        return body + _KEY + self._last + _END

    def follows(self, line: bytes) -> bool | None:
        """Take the next line as it stands in a file: whether its check sum is right; None when it has none.

        The line after it is held against the check sum that stands here, so that one change is found once.
        """
        cut = -(len(_KEY) + _DIGITS + len(_END))
        if not (line[cut:].startswith(_KEY) and line.endswith(_END)):
            self._last = self._sum(line)
            return False if f'"{CHAIN}":'.encode() in line else None
        found, due = line[-_DIGITS - len(_END) : -len(_END)], self._sum(line[:cut])
        self._last = found
        return found == due

    def _sum(self, content: bytes) -> bytes:
        return hashlib.sha256(self._last + content).hexdigest()[:_DIGITS].encode()


@dataclass(frozen=True)
class ChainCheck:
    """What the check sums of a journal tell.

    `broken`: numbers, from 1, of the lines that do not follow from those before. `chained`: whether any line has a
    check sum; journals that respsweep wrote before it knew chains have none.
    """

    broken: tuple[int, ...]
    chained: bool

    @property
    def warning(self) -> str | None:
        """Say which lines do not follow; None when all do."""
        if not self.broken:
            return None
        numbers = ", ".join(map(str, self.broken[:_SHOWN]))
        more = f" and {len(self.broken) - _SHOWN} more" if len(self.broken) > _SHOWN else ""
        which = f"line {numbers} does" if len(self.broken) == 1 else f"lines {numbers}{more} do"
        return (
            f"{which} not follow from the lines before; the file was changed by something else than respsweep, and "
            "scores may have been edited"
        )


def check_chain(path: Path) -> ChainCheck:
    """Hold the check sums of a journal against its lines. A torn last line is passed over. Raises OSError."""
    *lines, _ = path.read_bytes().split(b"\n")
    chain, broken, chained = Chain(), [], False
    for number, line in enumerate(lines, start=1):
        follows = chain.follows(line)
        if follows is False or (follows is None and chained):
            broken.append(number)
        chained = chained or follows is not None
    return ChainCheck(tuple(broken), chained)
