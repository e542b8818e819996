"""Files of tensors, changed in an entry or a value, and written as `torch.save` does, so that their sums are right."""

from __future__ import annotations

import random
import warnings
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any

import torch
from fuzz_bytes import damaged
from torch import Tensor


def repacked(content: bytes, rng: random.Random) -> bytes:
    """Change an archive in one of its entries, and write it anew with right check sums."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        entries = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    place = rng.randrange(len(entries))
    packing = zipfile.ZIP_STORED
    match rng.randrange(9):
        case 0:
            del entries[place]
        case 1:
            entries.append(entries[place])
        case 2:
            entries[place] = rng.choice(("", "../x", "/x", "x\x1b[31m", "é" * 300)), entries[place][1]
        case 3:
            packing = zipfile.ZIP_DEFLATED
        case 4:
            other = rng.randrange(len(entries))
            (a, first), (b, second) = entries[place], entries[other]
            entries[place], entries[other] = (a, second), (b, first)
        case 5:
            entries.append(("bomb", bytes(1 << 22)))
            packing = zipfile.ZIP_DEFLATED
        case 6:
            # What is not numbers: the pickle, the byte order, the version.
            place = rng.choice([at for at, (_, held) in enumerate(entries) if len(held) < 100_000])
            entries[place] = entries[place][0], damaged(entries[place][1], rng, entries[0][1])
        case 7:
            rng.shuffle(entries)
        case _:
            entries[place] = entries[place][0], damaged(entries[place][1], rng, entries[0][1])
    return _archive(entries, packing)


def saved_with_a_change(content: bytes, rng: random.Random) -> bytes:
    """Load what a file of tensors holds, change a value somewhere in it, and save it again."""
    held = torch.load(BytesIO(content), weights_only=True)
    for _ in range(rng.choice((1, 1, 2))):
        held = _changed(held, rng)
    made = BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.save(held, made)
    except Exception:
        # Some tensors cannot be saved, so nobody will ever read one.
        return content[:100]
    return made.getvalue()


def _changed(held: Any, rng: random.Random) -> Any:
    if isinstance(held, dict) and held and rng.random() < 0.95:
        key = rng.choice(list(held))
        match rng.randrange(12):
            case 0:
                return {name: value for name, value in held.items() if name != key}
            case 1:
                return {**held, rng.choice(("x", 0, None, f"{key}.x")): held[key]}
            case 2:
                return {**held, key: held[rng.choice(list(held))]}
            case _:
                return {**held, key: _changed(held[key], rng)}
    if isinstance(held, list) and held and rng.random() < 0.9:
        place = rng.randrange(len(held))
        return [*held[:place], _changed(held[place], rng), *held[place + 1 :]]
    if isinstance(held, Tensor) and rng.random() < 0.9:
        return rng.choice(TENSORS)(held)
    return rng.choice(VALUES)


def _with_one(value: float) -> Callable[[Tensor], Any]:
    def change(tensor: Tensor) -> Tensor:
        made = tensor.detach().clone()
        if made.numel() and made.is_floating_point():
            made.view(-1)[made.numel() // 2] = value
        return made

    return change


VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**70,
    float("nan"),
    float("inf"),
    "x\x1b[31m",
    b"x",
    [],
    {},
    (1, 2),
    torch.zeros(3),
)
TENSORS: tuple[Callable[[Tensor], Any], ...] = (
    lambda tensor: tensor.flatten(),
    lambda tensor: tensor[:0] if tensor.dim() else tensor[None],
    lambda tensor: torch.cat([tensor, tensor]) if tensor.dim() else tensor[None],
    lambda tensor: tensor.double(),
    lambda tensor: tensor.half(),
    lambda tensor: tensor.to(torch.int32),
    lambda tensor: tensor.to(torch.bool),
    lambda tensor: tensor.to(torch.complex64),
    lambda tensor: tensor.float().to_sparse(),
    lambda tensor: tensor.to("meta"),
    lambda tensor: torch.quantize_per_tensor(tensor.float(), 0.1, 0, torch.qint8),
    lambda tensor: tensor.new_zeros(1).expand(tensor.shape or (1,)),
    lambda tensor: tensor.t() if tensor.dim() == 2 else tensor,
    lambda tensor: tensor.tolist(),
    _with_one(float("nan")),
    _with_one(float("inf")),
    _with_one(3e38),
)


def _archive(entries: list[tuple[str, bytes]], packing: int) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", packing) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, packing)
    return made.getvalue()
