"""Settings and records as trees, changed at a leaf, a key or a level, and written as YAML or JSON, keys twice if so.

A mapping is a `Pairs`: a list of keys with values, since a file may have a key twice.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from typing import Any

Path = tuple[int, ...]


class Pairs(list[tuple[Any, Any]]):
    """Keys of a mapping with their values, in the order of the file."""


class Deep:
    """Lists, or mappings, so many levels deep."""

    def __init__(self, levels: int, mapping: bool = False) -> None:
        self.levels, self.mapping = levels, mapping


LEAVES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    2**31,
    2**63,
    -(2**63) - 1,
    10**400,
    0.5,
    1e308,
    -1e308,
    5e-324,
    1e-9,
    math.nan,
    math.inf,
    -math.inf,
    "",
    " ",
    "x",
    "off",
    "1:30",
    "1e5",
    "NaN",
    "null",
    "0x10",
    "\x1b[31mred\x07",
    "two\nlines\r",
    "\0",
    "\ud800",
    "é\u202e\u2028",
    "../../etc/passwd",
    "/dev/null",
    "s3://user:word@bucket/x",
    "x" * 100_000,
    "9" * 400,
    [],
    Pairs(),
    [None],
    [[1, [2]]],
    Pairs([("name", "x")]),
    Pairs([("", None)]),
    [0] * 20_000,
    Deep(40),
    Deep(3000),
    Deep(60, mapping=True),
)
"""What a leaf is replaced by."""
KEYS: tuple[Any, ...] = (
    "",
    "x",
    "name",
    "\x1b[31m",
    "é\n",
    None,
    True,
    1,
    1.5,
    "a.b",
    "__class__",
    "k" * 5000,
)


def tree(content: Any) -> Any:
    """Take plain values, as YAML and JSON give them, as a tree."""
    if isinstance(content, dict):
        return Pairs((key, tree(value)) for key, value in content.items())
    if isinstance(content, list | tuple):
        return [tree(value) for value in content]
    return content


def changed(root: Any, rng: random.Random, value: Any = None, *, put: bool = False) -> Any:
    """Change a tree in one to three places; with `put` in one, where `value` comes."""
    if put:
        return _replaced(root, rng.choice(list(_places(root))), tree(value))
    for _ in range(rng.choice((1, 1, 2, 3))):
        root = _changed_once(root, rng)
    return root


def reordered(root: Any, rng: random.Random) -> Any:
    """Shuffle the keys of every mapping, which means nothing."""
    if isinstance(root, Pairs):
        pairs = [(key, reordered(value, rng)) for key, value in root]
        rng.shuffle(pairs)
        return Pairs(pairs)
    return [reordered(value, rng) for value in root] if isinstance(root, list) else root


def written(root: Any, *, yaml: bool) -> str:
    """Write a tree as JSON, or as YAML in the flow style, which differs where JSON has no word for a value."""
    return "".join(_pieces(root, yaml))


def _changed_once(root: Any, rng: random.Random) -> Any:
    places = list(_places(root))
    place = rng.choice(places)
    value = _at(root, place)
    match rng.randrange(8):
        case 0 | 1 | 2:
            return _replaced(root, place, rng.choice(LEAVES))
        case 3:
            return _replaced(root, place, _near(value, rng))
        case 4:
            return _replaced(root, place, _at(root, rng.choice(places)))
        case 5:
            held = ([value], Pairs([("name", value)]), [value, value], Pairs([(value, None)]))
            return _replaced(root, place, rng.choice(held))
        case _:
            holders = [place for place in places if _at(root, place) and isinstance(_at(root, place), list)]
            if not holders:
                return rng.choice(LEAVES)
            place = rng.choice(holders)
            return _replaced(root, place, _keys_changed(_at(root, place), rng))


def _keys_changed(holder: list[Any], rng: random.Random) -> Any:
    """Lose, double, add, rename or move an entry of a list or mapping."""
    made: Any = type(holder)(holder)
    place = rng.randrange(len(made))
    match rng.randrange(5):
        case 0:
            del made[place]
        case 1:
            made.append(made[place])
        case 2:
            made.append(
                (rng.choice(KEYS), rng.choice(LEAVES)) if isinstance(made, Pairs) else rng.choice(LEAVES)
            )
        case 3 if isinstance(made, Pairs):
            made[place] = rng.choice(KEYS), made[place][1]
        case _:
            made.insert(0, made.pop(place))
    return made


def _near(value: Any, rng: random.Random) -> Any:
    """A value of the kind, or nearly: a neighbour, the opposite, the same in another type."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        real = float(value) if abs(value) < 2**53 else 1e300
        return rng.choice(
            (value + 1, value - 1, -value, value * 1000, real, str(value % 10**300), real + 0.5)
        )
    if isinstance(value, float):
        return rng.choice((-value, value * 1e6, value * 1.0000001, str(value), value + 1, 0.0))
    if isinstance(value, str):
        return rng.choice((value.upper(), value + " ", value[:-1], value + "\x1b[0m", value * 2, [value]))
    if not isinstance(value, list):
        return None
    return rng.choice((None, "x", type(value)(value[:1]), type(value)(value * 2)))


def _places(root: Any, here: Path = ()) -> Iterator[Path]:
    yield here
    if isinstance(root, list):
        for index, entry in enumerate(root):
            yield from _places(entry[1] if isinstance(root, Pairs) else entry, (*here, index))


def _at(root: Any, place: Path) -> Any:
    for index in place:
        root = root[index][1] if isinstance(root, Pairs) else root[index]
    return root


def _replaced(root: Any, place: Path, value: Any) -> Any:
    if not place:
        return value
    copy: Any = type(root)(root)
    first, *rest = place
    if isinstance(copy, Pairs):
        copy[first] = copy[first][0], _replaced(copy[first][1], tuple(rest), value)
    else:
        copy[first] = _replaced(copy[first], tuple(rest), value)
    return copy


def _pieces(value: Any, yaml: bool) -> Iterator[str]:
    if isinstance(value, Deep):
        opened, closed = ('{"a": ', "}") if value.mapping else ("[", "]")
        yield opened * value.levels + "1" + closed * value.levels
    elif isinstance(value, Pairs):
        yield "{"
        for number, (key, inner) in enumerate(value):
            yield ", " if number else ""
            # JSON has texts alone as keys.
            yield from _pieces(key, yaml) if yaml else [json.dumps(key if isinstance(key, str) else str(key))]
            yield ": "
            yield from _pieces(inner, yaml)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for number, inner in enumerate(value):
            yield ", " if number else ""
            yield from _pieces(inner, yaml)
        yield "]"
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**300:
        yield "-" * (value < 0) + "1" + "0" * 400
    elif yaml and isinstance(value, float) and not math.isfinite(value):
        yield {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}[str(value)]
    else:
        yield json.dumps(value)
