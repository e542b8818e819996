"""Inputs for a reader: each follows from the seed of the run, the reader and its number, and says how it was made."""

from __future__ import annotations

import functools
import json
import random
import re
from dataclasses import dataclass
from typing import Any

import yaml
from fuzz_archives import repacked, saved_with_a_change
from fuzz_audio import with_a_foreign_part
from fuzz_bytes import damaged
from fuzz_reader import Files, Reader
from fuzz_trees import changed, reordered, tree, written
from fuzz_values import BLOCK, made_up

WAYS = {
    "text": ("bytes", "bytes", "bytes", "meaning kept"),
    "yaml": ("bytes", "tree", "tree", "values", "meaning kept"),
    "json": ("bytes", "tree", "tree", "values", "meaning kept"),
    "lines": ("bytes", "tree", "tree", "values"),
    "audio": ("bytes", "bytes", "bytes", "meaning kept"),
    "archive": ("bytes", "entries", "values"),
    "binary": ("bytes",),
    "names": ("bytes", "names", "names"),
}
"""How inputs of a kind are made. `bytes` are damaged, `tree` is changed in a leaf or key, `values` are made up."""
NAMES = (
    "",
    ".",
    "x",
    "é" * 120,
    "\x1b[31m",
    "a b",
    "\n",
    "x" * 240,
    "-",
    "9" * 12,
    "_",
    "\udcff",
    "\u202e",
    "0",
    "CON",
)
"""What is put into a file's name."""


@dataclass(frozen=True)
class Input:
    """Files of an input, and how they came from the seed `origin`; `same`: they mean what the seed does."""

    files: Files
    way: str
    target: str
    origin: int
    same: bool = False


def make_input(reader: Reader, seeds: list[Files], seed: int, number: int) -> Input:
    """Make the input of a number, always the same one for the same seeds."""
    rng = random.Random(f"{seed}/{reader.name}/{number}")
    origin = rng.randrange(len(seeds))
    files = dict(seeds[origin])
    target = rng.choice([name for name in sorted(files) if re.fullmatch(reader.target, name)])
    way = rng.choice(WAYS[reader.kind])
    other = rng.choice([made for made in seeds if any(re.fullmatch(reader.target, name) for name in made)])
    spare = other[rng.choice([name for name in sorted(other) if re.fullmatch(reader.target, name)])]
    content = files[target]
    if way == "names":
        return Input(_renamed(files, target, rng), way, target, origin)
    made = _made(reader, way, content, rng, seed, number)
    if made is None:
        way, made = "bytes", damaged(content, rng, spare)
    return Input({**files, target: made}, way, target, origin, same=way == "meaning kept")


def _made(
    reader: Reader, way: str, content: bytes, rng: random.Random, seed: int, number: int
) -> bytes | None:
    """A content made in some way; None where that is not possible, as of a tree in a file that holds none."""
    if way == "meaning kept":
        return _same(reader, content, rng)
    if reader.kind == "archive" and way != "bytes":
        try:
            return repacked(content, rng) if way == "entries" else saved_with_a_change(content, rng)
        except Exception:
            # A seed that is a bad file itself.
            return None
    if way == "bytes":
        return None
    value: Any = None
    if way == "values":
        kind = reader.values[number % len(reader.values)]
        # Making values up takes longer than reading most inputs: each goes to several places.
        block = made_up(kind, seed * 1_000_003 + number // (5 * BLOCK))
        value = block[number % len(block)]
        if kind == "searches":
            return _with_search(content, value)
    return _tree_changed(reader.kind, content, rng, value, put=way == "values")


def _with_search(content: bytes, search: Any) -> bytes | None:
    held = _loaded("yaml", content)
    if not isinstance(held, dict):
        return None
    kept = {key: value for key, value in held.items() if key != "enqueue"}
    return written(tree({**kept, "search": search}), yaml=True).encode("utf-8", "surrogatepass")


def _tree_changed(kind: str, content: bytes, rng: random.Random, value: Any, *, put: bool) -> bytes | None:
    """Change one line of JSON, one document of YAML, or the whole."""
    between = {"lines": b"\n", "yaml": b"\n---\n"}.get(kind)
    parts = [content] if between is None else content.split(between)
    place = rng.randrange(len(parts))
    held = _loaded(kind, parts[place])
    if held is None:
        return None
    parts[place] = _written(changed(tree(held), rng, value, put=put), kind, rng)
    return (between or b"").join(parts)


@functools.lru_cache(maxsize=256)
def _loaded(kind: str, content: bytes) -> Any:
    """What a seed holds; None for what cannot be read, or is huge when written out."""
    try:
        if kind != "yaml":
            return json.loads(content)
        held = yaml.safe_load(content)
        return held if _is_small(held) else None
    except Exception:
        # A seed that was a bad file already.
        return None


def _is_small(held: Any) -> bool:
    """Whether what a file holds is small when written out; aliases (`*name`) may stand for more than any memory has."""
    left, found = 20_000, [held]
    while found and left > 0:
        left -= 1
        value = found.pop()
        if isinstance(value, dict):
            found += [*value, *value.values()]
        elif isinstance(value, list):
            found += value
    return left > 0


def _written(root: Any, kind: str, rng: random.Random) -> bytes:
    return written(root, yaml=kind == "yaml").encode("utf-8", rng.choice(("surrogatepass", "replace")))


def _same(reader: Reader, content: bytes, rng: random.Random) -> bytes | None:
    """The content written in another way that means the same."""
    if reader.kind == "audio":
        return with_a_foreign_part(content, rng)
    if reader.kind == "text":
        changes = (
            lambda: content.replace(b"\n", b"\r\n"),
            lambda: b"\xef\xbb\xbf" + content,
            lambda: content.replace(b"\n", b" \n\n"),
            lambda: content.rstrip(b"\n"),
        )
        return rng.choice(changes)()
    held = _loaded(reader.kind, content)
    if held is None:
        return None
    if reader.kind == "yaml" and (reader.ordered or rng.random() < 0.5):
        return b"# A comment.\n" + content + b"\n# Another.\n"
    return _written(reordered(tree(held), rng), reader.kind, rng)


def _renamed(files: Files, target: str, rng: random.Random) -> Files:
    """Move, copy, lose or replace a file of a folder."""
    folder, slash, name = target.rpartition("/")
    match rng.randrange(8):
        case 0:
            place = rng.randrange(len(name) + 1)
            new = name[:place] + rng.choice(NAMES) + name[rng.randrange(place, len(name) + 1) :]
        case 1:
            parts = name.split("_")
            parts[rng.randrange(len(parts))] = rng.choice(NAMES)
            new = "_".join(parts)
        case 2:
            new = name.swapcase()
        case 3:
            return {path: content for path, content in files.items() if path != target}
        case 4:
            return {**{path: content for path, content in files.items() if path != target}, f"{target}/": b""}
        case 5:
            other = rng.choice(("x", "train_wav", "a/b/c/d/e", "__MACOSX", folder or "y"))
            return {**files, f"{other}/{name}": files[target]}
        case 6:
            stem, dot, suffix = name.rpartition(".")
            suffix = rng.choice(("flac", "WAV", "txt", "json", suffix + suffix))
            return {**files, f"{folder}{slash}{stem}{dot}{suffix}": files[target]}
        case _:
            other = rng.choice(sorted(files))
            return {**files, target: files[other], other: files[target]}
    new = new.replace("/", "_").replace("\0", "_")[:250]
    while len(new.encode("utf-8", "surrogateescape")) > 250:
        new = new[:-10]
    kept = {path: content for path, content in files.items() if path != target or rng.random() < 0.3}
    return {**kept, f"{folder}{slash}{new}": files[target]} if new not in ("", ".", "..") else kept
