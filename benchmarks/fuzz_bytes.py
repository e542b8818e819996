"""Bytes of a file, damaged as disks, transfers and editors damage them; chance comes in as `random.Random`."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

NUMBERS = (
    b"0",
    b"-0",
    b"-1",
    b"1e308",
    b"-1e308",
    b"5e-324",
    b"nan",
    b"inf",
    b"-inf",
    b"0x7f",
    b"1_000",
    b"1:30",
    b"007",
    b"2147483648",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"9" * 400,
    b"0." + b"1" * 300,
    b"1,5",
    "٣".encode(),
)
"""What a number in a text is replaced by."""
STRANGE = (
    b"\0",
    b"\x1b[2J\x1b[31m",
    b"\r",
    b"\x7f",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    "\u2028\u202e\u200b".encode(),
    b"\t\t",
    b"&a *a",
    b"<<: ",
    b"!!python/object:os.system ",
    b"---\n",
    b"{" * 60,
    b"[" * 3000,
    b"x" * 100_000,
)
"""What is put between the bytes of a file."""

Damage = Callable[[bytes, random.Random], bytes]


def damaged(content: bytes, rng: random.Random, other: bytes) -> bytes:
    """Damage a file in one to three ways; parts of `other`, another file of the kind, may come into it."""
    ways: tuple[Damage, ...] = (*DAMAGES, lambda content, rng: _spliced(content, other, rng))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = rng.choice(ways)(content, rng)
    return content


def _bits_flipped(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64)) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut_short(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _beginning_lost(content: bytes, rng: random.Random) -> bytes:
    return content[rng.randrange(min(64, len(content)) + 1) :]


def _repeated(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng)
    return content[:end] + content[start:end] * rng.choice((1, 2, 50)) + content[end:]


def _left_out(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + content[end:]


def _zeroed(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + bytes(end - start) + content[end:]


def _strange_put_in(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] + rng.choice(STRANGE) + content[place:]


def _number_swapped(content: bytes, rng: random.Random) -> bytes:
    found = list(re.finditer(rb"-?\d+(\.\d+)?([eE]-?\d+)?", content))
    if not found:
        return _strange_put_in(content, rng)
    number = rng.choice(found)
    return content[: number.start()] + rng.choice(NUMBERS) + content[number.end() :]


def _integer_overwritten(content: bytes, rng: random.Random) -> bytes:
    """A binary number, as headers have many, set to an extreme; most often near the beginning or the end."""
    width = rng.choice((1, 2, 4, 8))
    value = rng.choice(
        (0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), 2 ** (8 * width - 1) - 1, rng.randrange(256))
    )
    window = min(len(content), rng.choice((64, 256, len(content) or 1)))
    place = rng.randrange(window + 1)
    place = len(content) - place if rng.random() < 0.3 else place
    return content[:place] + value.to_bytes(width, rng.choice(("little", "big"))) + content[place + width :]


def _lines_moved(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    if not lines:
        return content
    place = rng.randrange(len(lines))
    match rng.randrange(3):
        case 0:
            del lines[place]
        case 1:
            lines.insert(rng.randrange(len(lines) + 1), lines[place])
        case _:
            lines.append(lines.pop(place))
    return b"".join(lines)


def _other_encoding(content: bytes, rng: random.Random) -> bytes:
    text = content.decode("latin-1")
    return text.encode(rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-7")))


def _emptied(content: bytes, rng: random.Random) -> bytes:
    return rng.choice((b"", b"\n", bytes(len(content)), b"null", b"[]", b"{}", b"0"))


def _spliced(content: bytes, other: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


def _span(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(content) + 1)
    return start, min(len(content), start + rng.choice((1, 4, 16, 64, 512, 4096)))


DAMAGES: tuple[Damage, ...] = (
    _bits_flipped,
    _bits_flipped,
    _cut_short,
    _beginning_lost,
    _repeated,
    _left_out,
    _zeroed,
    _strange_put_in,
    _number_swapped,
    _number_swapped,
    _integer_overwritten,
    _integer_overwritten,
    _lines_moved,
    _other_encoding,
    _emptied,
)
