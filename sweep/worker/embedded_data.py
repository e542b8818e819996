"""A frozen encoder's features of prepared data: found, fetched, or computed here once, for all units on this machine."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path

import torch

from data.atomic import remove_built
from data.batches import Examples
from data.embeddings import INDEX, build_embeddings, embeddings_name, is_damaged, open_embeddings
from data.errors import DataError
from data.store import FeatureStore
from data.task import task_named
from evidence.ledger import Seal
from model.frozen import FrozenNetwork
from model.registry import build_backbone, forget_encoder
from model.training.embeddings import embed, encoder_settings
from model.training.recipe import Recipe
from sweep.storage.cache_folder import cache_folder
from sweep.storage.open_storage import open_storage
from sweep.storage.patience import patiently
from sweep.storage.shared_copy import fetch_folder, publish_folder
from sweep.worker.local_data import chosen_cycles, local_data, tested_cycles
from sweep.worker.prepared_data import PreparedData
from sweep.worker.weights import Weights


def load_embedded(
    prepared: PreparedData, recipe: Recipe, weights: Weights, device: str, *, chunks: int = 1
) -> tuple[Examples, Examples]:
    """Training and validation cycles of the recipe's fold, as its frozen encoder's features; without a fold all, twice.

    The first process on a machine that asks for an encoder's features computes them, on `device`, while others wait;
    where the data has a place that all machines see, they are copied there, and taken from there. `recipe` names a file
    of this machine as its weights, whose hash `weights` tells. `chunks`: into how many parts a batch of the encoder is
    divided. Copies of log-mels on a device, from which no head is trained, are let go of. Raises what
    `sweep.worker.local_data.load_examples` raises.
    """
    (store, *_), folds = local_data(prepared)
    embedded = _embedded(prepared, store, None, recipe, weights, device, chunks)
    store.examples().copies.clear()
    fold = recipe.folds.fold
    key = id(embedded), prepared.folds, repr((prepared.trained, prepared.scored, fold))
    if key not in _split:
        if len(_split) >= MOST_HELD:
            del _split[next(iter(_split))]
        train, validation = (
            embedded.take(torch.as_tensor(rows)) for rows in chosen_cycles(prepared, store, folds, fold)
        )
        _split[key] = embedded, train, validation
    return _split[key][1:]


def load_tested_embedded(
    prepared: PreparedData, recipe: Recipe, weights: Weights, device: str, *, chunks: int = 1
) -> list[Examples]:
    """All cycles of each official test part that a study reads at every epoch, as its frozen encoder's features.

    As `load_embedded` finds and makes them. None in all other studies.
    """
    stores, _ = local_data(prepared)
    seals, found = list(prepared.stores.values()), []
    for store, seal in zip(stores[1:], seals[1:], strict=True):
        embedded = _embedded(prepared, store, seal, recipe, weights, device, chunks)
        store.examples().copies.clear()
        found.append(embedded.take(torch.as_tensor(tested_cycles(prepared, store))))
    return found


def forget_embedded() -> None:
    """Let go of what units with a frozen encoder left in this process, on all devices: features, and the encoder."""
    _held.clear()
    _split.clear()
    forget_encoder()


def _embedded(
    prepared: PreparedData,
    store: FeatureStore,
    seal: Seal | None,
    recipe: Recipe,
    weights: Weights,
    device: str,
    chunks: int,
) -> Examples:
    """The features of all cycles of a store: from this process, this machine's cache, the shared place, or computed."""
    encoder = {"weights": weights.sha256, **encoder_settings(recipe)}
    cache = cache_folder() / "embeddings"
    place = cache / embeddings_name(store.directory.name, encoder)
    if place.is_dir() and (found := _opened(place, store, seal)) is not None:
        return found
    shared = None if prepared.shared is None else patiently(functools.partial(open_storage, prepared.shared))
    if shared is not None and fetch_folder(shared, f"embeddings/{place.name}", place, last=INDEX):
        found = _opened(place, store, seal)
        if found is not None:
            return found

    def compute() -> torch.Tensor:
        network = build_backbone(
            recipe.backbone,
            recipe.smoothing,
            task_named(prepared.task).num_classes,
            recipe.input_shape,
            recipe.dropped_to,
            recipe.frozen,
        )
        assert isinstance(network, FrozenNetwork)
        return embed(network, store.examples(), recipe, torch.device(device), chunks=chunks).features

    found = _hold(place, seal, build_embeddings(store, encoder, cache, compute, seal))
    if shared is not None:
        publish_folder(shared, place, f"embeddings/{place.name}", last=INDEX)
    return found


def _opened(place: Path, store: FeatureStore, seal: Seal | None) -> Examples | None:
    """The embeddings in a folder, as this process opened them before; damaged ones are removed, with a warning."""
    key = str(place), seal
    if key in _held:
        return _held[key]
    try:
        return _hold(place, seal, open_embeddings(place, store, seal))
    except DataError as error:
        warnings.warn(f"{error}; they are replaced", stacklevel=2)
        remove_built(place, functools.partial(is_damaged, store=store, seal=seal))
        return None


def _hold(place: Path, seal: Seal | None, found: Examples) -> Examples:
    """Keep embeddings open for the next unit of this process, with the copies that they leave on devices."""
    if len(_held) >= MOST_HELD:
        del _held[next(iter(_held))]
    _held[str(place), seal] = found
    return found


MOST_HELD = 8
"""Embeddings that a process keeps open: a few megabytes each, and a study may search features or test at every epoch."""
_held: dict[tuple[str, Seal | None], Examples] = {}
_split: dict[tuple[int, str, str], tuple[Examples, Examples, Examples]] = {}
"""Embeddings, and of them the training and validation cycles, by which embeddings and how they are divided."""
