"""The golden numbers of tests/golden: unpacked, and compared. tests/golden/README.md says how they are kept."""

import json
import lzma
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).parent / "golden"
EVERY = 7
"""Of a tensor that is kept as a sample, every seventh number in row-major order is there."""


@dataclass(frozen=True)
class Sample:
    """A tensor of which every seventh number is kept, and sums of all: along its last axis, and along the others."""

    shape: tuple[int, ...]
    some: Tensor
    along_last: Tensor
    along_others: Tensor


def facts(name: str) -> Any:
    """The content of a JSON file, packed or not: `dass/key_maps`."""
    path = FOLDER / f"{name}.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    return json.loads(lzma.decompress(path.with_name(f"{path.name}.xz").read_bytes()))


class Golden(Mapping[str, Tensor]):
    """The tensors of packed files, by key: `Golden("dass/tiny_io")`."""

    def __init__(self, *names: str) -> None:
        self._kept = {key: kept for name in names for key, kept in _unpacked(name).items()}

    def __getitem__(self, key: str) -> Tensor:
        """A copy of a tensor that is kept whole. Raises KeyError for one that is not there, or kept as a sample."""
        kept = self._kept[key]
        if isinstance(kept, Sample):
            raise KeyError(f"{key} is kept as a sample; compare by check()")
        return kept.clone()

    def __contains__(self, key: object) -> bool:
        return key in self._kept

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def under(self, prefix: str) -> dict[str, Tensor]:
        """Copies of the tensors that are kept whole and begin with `prefix`, by the rest of their keys."""
        return {
            key.removeprefix(prefix): kept.clone()
            for key, kept in self._kept.items()
            if isinstance(kept, Tensor) and key.startswith(prefix)
        }

    def largest(self, key: str) -> float:
        """The largest magnitude among the numbers that are kept of a tensor."""
        kept = self._kept[key]
        return (kept.some if isinstance(kept, Sample) else kept).abs().max().item()

    def check(self, key: str, found: Tensor, *, atol: float, rtol: float = 0.0) -> None:
        """Fail unless `found` has the golden shape and numbers; a sum of n may be off by sqrt(n) times as much."""
        kept, found = self._kept[key], found.detach().double()
        assert tuple(found.shape) == tuple(kept.shape), key
        if isinstance(kept, Tensor):
            compared = [(found, kept, 1)]
        else:
            rows = found.reshape(-1, found.shape[-1])
            compared = [
                (found.flatten()[::EVERY], kept.some, 1),
                (rows.sum(1), kept.along_last, rows.shape[1]),
                (rows.sum(0), kept.along_others, rows.shape[0]),
            ]
        for ours, theirs, summed in compared:
            torch.testing.assert_close(
                ours, theirs.double(), rtol=rtol, atol=atol * summed**0.5, msg=lambda said: f"{key}: {said}"
            )


@cache
def _unpacked(name: str) -> dict[str, Tensor | Sample]:
    head, _, body = lzma.decompress((FOLDER / f"{name}.xz").read_bytes()).partition(b"\n")
    entries = json.loads(head)
    arrays = _arrays([part for entry in entries for part in entry["parts"]], body)
    unpacked: dict[str, Tensor | Sample] = {}
    for entry in entries:
        shape, dtype = tuple(entry["shape"]), np.dtype(entry["dtype"])
        parts = [next(arrays) for _ in entry["parts"]]
        if entry["kind"] == "sample":
            unpacked[entry["name"]] = Sample(shape, *map(torch.from_numpy, parts))
            continue
        match entry["kind"]:
            case "numbers":
                (array,) = parts
            case "product":
                array = parts[0] @ parts[1]
            case "places":
                of = unpacked[entry["of"]]
                assert isinstance(of, Tensor)
                array = of.numpy().reshape(-1)[parts[0]]
            case other:
                raise ValueError(f"tests/golden/{name}.xz: unknown kind {other}")
        unpacked[entry["name"]] = torch.from_numpy(array.reshape(shape).astype(dtype))
    return unpacked


def _arrays(parts: list[dict[str, Any]], body: bytes) -> Iterator[np.ndarray]:
    """The arrays that lie in `body` one after the other: first the lowest bytes of all numbers, then the next."""
    start = 0
    for part in parts:
        count, width = prod(part["shape"]), part["width"]
        planes = np.frombuffer(body, np.uint8, count * width, start).reshape(width, count)
        start += count * width
        if part["as"] == "steps":
            array = _steps(planes, part["bits"], part["differences"])
        else:
            array = np.ascontiguousarray(planes.T).view(part["as"])
        yield array.reshape(part["shape"])
    assert start == len(body)


def _steps(planes: np.ndarray, bits: int, differences: int) -> np.ndarray:
    """Multiples of 2^-bits whose `differences`-fold differences are kept, the sign in the lowest bit."""
    wide = np.zeros((planes.shape[1], 8), np.uint8)
    wide[:, : len(planes)] = planes.T
    zigzag = wide.view("<u8").reshape(-1)
    steps = (zigzag >> 1).astype(np.int64) ^ -(zigzag & 1).astype(np.int64)
    for _ in range(differences):
        steps = np.cumsum(steps)
    return steps * 2.0**-bits if bits else steps
