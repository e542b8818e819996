"""An encoder's features of all cycles of a feature store, computed once per weights, and memory-mapped ever after.

A store of embeddings is a folder named after what is in it: the feature store, and a hash of the encoder's weights and
settings. It is written beside its place and moved there when complete, so a folder of that name is always whole.
"""

from __future__ import annotations

import functools
import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from data.atomic import build_once, remove_built
from data.batches import Examples
from data.dataset import check_part
from data.errors import DataError
from data.json_text import check_sum, parse_json
from data.store import CHECK_SUMS, FeatureStore
from evidence.ledger import Seal

FORMAT = 1
"""Raised when stores of older code can be read no more."""
FEATURES = "embeddings.npy"
INDEX = "index.json"
Encoder = Mapping[str, Any]
"""What an encoder's features depend on, as plain values: the SHA-256 of its weights, and its settings."""


def embeddings_name(store: str, encoder: Encoder) -> str:
    """Name the folder of the features that an encoder gives of the feature store of that name."""
    content = json.dumps([FORMAT, encoder], sort_keys=True)
    return f"{store}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def build_embeddings(
    store: FeatureStore,
    encoder: Encoder,
    cache: Path,
    compute: Callable[[], Float32[Tensor, "cycles width"]],
    seal: Seal | None = None,
) -> Examples:
    """Open the embeddings of a feature store's cycles under `cache`, or have them computed if they are not there yet.

    One process at a time computes; others wait, and find them. `seal`: what opens those of an official test part, and
    nothing else does (SealedPartError). Damaged ones are computed again, with a warning.
    """
    check_part(store.part, store.data_hash, seal)
    place = cache / embeddings_name(store.directory.name, encoder)

    def build(draft: Path) -> None:
        features = np.ascontiguousarray(compute().numpy(), dtype=np.float32)
        with (draft / FEATURES).open("wb") as file:
            np.save(file, features, allow_pickle=False)
        index = {
            "format": FORMAT,
            "store": store.directory.name,
            "part": store.part,
            "data_hash": store.data_hash,
            "encoder": dict(encoder),
        }
        sums = {"index": check_sum(index), "features": _digest(draft / FEATURES)}
        (draft / INDEX).write_text(json.dumps({**index, CHECK_SUMS: sums}), encoding="utf-8")

    build_once(place, build)
    try:
        return open_embeddings(place, store, seal)
    except DataError as error:
        warnings.warn(f"{error}; they are computed again", stacklevel=2)
    remove_built(place, functools.partial(is_damaged, store=store, seal=seal))
    build_once(place, build)
    return open_embeddings(place, store, seal)


def open_embeddings(directory: Path, store: FeatureStore, seal: Seal | None = None) -> Examples:
    """Open the embeddings in `directory` as all cycles of their feature `store`; features stay on disk.

    Raises DataError when the folder does not hold what its name says, as it was written, and SealedPartError for an
    official test part without the `seal` that opens it.
    """
    try:
        index = parse_json((directory / INDEX).read_bytes())
        if index["format"] != FORMAT:
            raise ValueError(f"format {index['format']}, not {FORMAT}")
        sums = index.pop(CHECK_SUMS, None)
        if sums != {"index": check_sum(index), "features": _digest(directory / FEATURES)}:
            raise ValueError("not what was written")
        if directory.name != embeddings_name(index["store"], index["encoder"]):
            raise ValueError("of other content than the name says")
        if (index["store"], index["part"]) != (store.directory.name, store.part):
            raise ValueError(f"of {index['store']}, not of {store.directory.name}")
        check_part(index["part"], index["data_hash"], seal)
        features = np.load(directory / FEATURES, mmap_mode="c")
        if features.ndim != 2 or features.dtype != np.float32 or len(features) != len(store):
            raise ValueError(f"{features.dtype} of shape {features.shape} for {len(store)} cycles")
        return Examples(torch.from_numpy(features), torch.from_numpy(store.labels), embedded=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, OverflowError) as error:
        raise DataError(f"{directory}: not whole embeddings ({error})") from error


def is_damaged(directory: Path, store: FeatureStore, seal: Seal | None = None) -> bool:
    """Whether a folder is anything but the embeddings of a feature store as they were written."""
    try:
        open_embeddings(directory, store, seal)
    except DataError:
        return True
    return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
