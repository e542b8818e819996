"""Prepared features and folds on the machine that trains: found in its cache, fetched, or made once more."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Int

from data.atomic import make_folder, remove_built, write_whole
from data.batches import Examples
from data.errors import DataError
from data.folds import Folds
from data.population_cycles import chosen_rows
from data.recipe_parts import FeatureConfig, FoldConfig
from data.settings import parse
from data.store import FeatureStore, is_damaged, open_store
from evidence.ledger import Seal
from sweep.storage.cache_folder import cache_folder
from sweep.storage.open_storage import below, open_storage
from sweep.storage.patience import patiently
from sweep.storage.shared_copy import fetch_folder
from sweep.storage.storage import Storage
from sweep.worker.prepared_data import INDEX, DataPreparation, DataPreparationError, PreparedData, whole_folds


def load_examples(prepared: PreparedData, fold: int | None) -> tuple[Examples, Examples]:
    """Training and validation cycles of a fold, of the prepared populations; without a fold (None) of all patients.

    Features and folds are opened in this machine's cache. If they are not there, or damaged, they are copied from the
    shared place; or opened in the driver's cache, if this machine sees that folder; or made from the recordings. Raises
    DataPreparationError when none of this can be done, and OSError when the shared place refuses, or stays away for
    minutes. A process keeps the feature store that it opened last, and so the copy that its examples left on a device.
    """
    (store, *_), folds = local_data(prepared)
    train, validation = chosen_cycles(prepared, store, folds, fold)
    return store.examples(train), store.examples(validation)


def load_tested(prepared: PreparedData) -> list[Examples]:
    """Scored cycles of each official test part that a study reads at every epoch; none in all other studies.

    Found and made as `load_examples` does, and raises the same.
    """
    (_, *tested), _ = local_data(prepared)
    return [store.examples(tested_cycles(prepared, store)) for store in tested]


def chosen_cycles(
    prepared: PreparedData, store: FeatureStore, folds: Folds, fold: int | None
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " validation"]]:
    """Choose the rows of a store that a unit trains on and is scored on: of a fold, and of its populations."""
    train, validation = folds.split(store.patients, fold)
    return (
        chosen_rows(train, store.patients, prepared.trained),
        chosen_rows(validation, store.patients, prepared.scored),
    )


def tested_cycles(prepared: PreparedData, store: FeatureStore) -> Int[np.ndarray, " tested"]:
    """Choose the rows of a test part's store that a unit is scored on: all, or those of its population."""
    return chosen_rows(np.arange(len(store)), store.patients, prepared.scored)


def local_data(prepared: PreparedData) -> tuple[list[FeatureStore], Folds]:
    """Open feature stores and folds in a folder that this machine sees; fetch or make them where none has them whole.

    Raises what `load_examples` raises.
    """
    cache = cache_folder()
    if (found := _opened(cache, prepared)) is not None:
        return found
    shared = prepared.shared
    if shared is not None:
        for store, seal in prepared.stores.items():
            remove_built(cache / "features" / store, functools.partial(is_damaged, seal=seal))
        if _fetched(patiently(lambda: open_storage(shared)), prepared, cache) and (
            found := _opened(cache, prepared)
        ):
            return found
    drivers = Path(prepared.cache)
    if drivers != cache.absolute() and (found := _opened(drivers, prepared)) is not None:
        return found
    if Path(prepared.recordings).is_dir():
        _make_again(prepared, cache)
        if (found := _opened(cache, prepared)) is not None:
            return found
    looked = [f"{cache}/features", *([below(shared, "features")] if shared else [])]
    raise DataPreparationError(
        f"{prepared.store}: no such features in {', '.join([*looked, f'{prepared.cache}/features'])}, and no recordings "
        f"in {prepared.recordings}; one of these must be seen from this machine"
    )


def _opened(cache: Path, prepared: PreparedData) -> tuple[list[FeatureStore], Folds] | None:
    """Features and folds in a cache folder; None when any is missing or, with a warning, damaged."""
    places = {cache / "features" / store: seal for store, seal in prepared.stores.items()}
    folds = whole_folds(cache / "folds" / prepared.folds)
    if folds is None or not all(place.is_dir() for place in places):
        return None
    try:
        return [
            _open_store(str(place)) if seal is None else _open_sealed_store(str(place), seal)
            for place, seal in places.items()
        ], folds
    except DataError as error:
        warnings.warn(f"{error}; it is replaced", stacklevel=2)
        return None


def _fetched(storage: Storage, prepared: PreparedData, cache: Path) -> bool:
    folds = cache / "folds" / prepared.folds
    try:
        content = patiently(lambda: storage.read(f"folds/{prepared.folds}"))
    except FileNotFoundError:
        return False
    for features in (f"features/{store}" for store in prepared.stores):
        if not fetch_folder(storage, features, cache / features, last=INDEX):
            return False
    make_folder(folds.parent)
    write_whole(folds, content)
    return True


def _make_again(prepared: PreparedData, cache: Path) -> None:
    preparation = DataPreparation(Path(prepared.recordings), cache, task=prepared.task, progress=False)
    found = preparation.data_hash
    if found != prepared.data_hash:
        raise DataPreparationError(
            f"{prepared.recordings}: other recordings on this machine (data_hash {found[:12]}) than on the driver's "
            f"({prepared.data_hash[:12]})"
        )
    if prepared.tested:
        preparation.unseal(Seal(prepared.data_hash, prepared.reading), list(prepared.tested))
    features = parse(FeatureConfig, prepared.settings["features"], "features")
    preparation.make(features, parse(FoldConfig, prepared.settings["folds"], "folds"))


@functools.lru_cache(maxsize=1)
def _open_store(directory: str) -> FeatureStore:
    return open_store(Path(directory))


@functools.lru_cache(maxsize=2)
def _open_sealed_store(directory: str, seal: Seal) -> FeatureStore:
    return open_store(Path(directory), seal)
