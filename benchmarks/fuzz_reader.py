"""What the fuzzer knows of a reader: its seeds, which of their files are damaged, and what a right reading is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Files = dict[str, bytes]
"""Files of an input by their path below its folder; a path with a slash at its end is a folder."""
Kind = Literal["text", "yaml", "json", "lines", "audio", "archive", "binary", "names"]


class WrongReadingError(Exception):
    """What came out of a reader cannot be right."""


@dataclass(frozen=True)
class Reader:
    """A reader, given a folder with an input. It returns what it read, to be compared, or raises as the product does.

    `seeds` makes valid inputs for the folder in which they will lie, and known bad ones. `target` (a regular expression)
    says which of their files are damaged, `kind` how. A refusal names one of `named`, in which `{}` is the folder and
    `{file}` the damaged file. After the ways in `exact`, whatever is read has to be what the seed holds: the format has
    check sums. `weight` is the share of all inputs. `ordered`: the order of keys counts.
    """

    name: str
    kind: Kind
    target: str
    seeds: Callable[[Path], list[Files]]
    read: Callable[[Path], Any]
    named: tuple[str, ...] = ("{file}",)
    exact: frozenset[str] = frozenset()
    weight: float = 1.0
    values: tuple[str, ...] = field(default=("anything",))
    """Kinds of values that hypothesis makes up for it."""
    ordered: bool = False


ALWAYS = frozenset({"bytes", "tree", "values", "entries", "names"})
"""Ways after which a format with check sums has to give what was written, or nothing."""


def need(fact: bool, what: str) -> None:
    """Raise WrongReadingError, which says `what` is wrong, unless the fact holds."""
    if not fact:
        raise WrongReadingError(what)


def files_below(folder: Path) -> Files:
    """Read all files below a folder, as an input."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


def known(pattern: str, name: str | None = None) -> list[Files]:
    """Inputs that once went wrong, from the folder of cases if it is there; each is a file, called `name` if given."""
    folder = Path(os.environ.get("RESPSWEEP_SHARED", Path(__file__).parents[2] / "shared")) / "cases"
    return [{name or path.name: path.read_bytes()} for path in sorted(folder.glob(pattern))]
