"""From a directory of recordings to what a unit trains on: features once, folds once, both by content."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

from data.batches import Examples
from data.features import FeatureConfig
from data.folds import NEVER_VALIDATE, FoldConfig, Folds, make_folds
from data.icbhi import read_icbhi
from data.store import FeatureStore, build_store, open_store
from data.synthetic import VERSION, write_breaths
from model.training.recipe import Recipe
from sweep.config import SyntheticConfig


@dataclass(frozen=True)
class Material:
    """Where the features and the folds of a unit lie, and what they are made of (SHA-256, hex)."""

    store: str
    folds: str
    data_hash: str
    fold_hash: str


class Recordings:
    """The official training part of a data set. The test part is never opened here."""

    def __init__(self, directory: Path, cache: Path | None = None, *, progress: bool = True) -> None:
        self._data = read_icbhi(directory)
        self._cache = cache or cache_folder()
        self._progress = progress
        self._stores: dict[FeatureConfig, FeatureStore] = {}
        self._materials: dict[tuple[FeatureConfig, FoldConfig], Material] = {}

    def material(self, recipe: Recipe) -> Material:
        """Features and folds that the recipe asks for, made if they are not there yet."""
        asked = recipe.features, recipe.folds
        if asked not in self._materials:
            self._materials[asked] = self._make(recipe)
        return self._materials[asked]

    def _make(self, recipe: Recipe) -> Material:
        store = self._store(recipe.features)
        shared = NEVER_VALIDATE | self._data.patients_in_both_parts
        folds = make_folds(store.patients, store.labels, store.devices, recipe.folds, shared)
        path = self._cache / "folds" / f"{folds.hash()}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            folds.save(path)
        return Material(str(store.directory), str(path), store.data_hash, folds.hash())

    def _store(self, features: FeatureConfig) -> FeatureStore:
        if features not in self._stores:
            cache = self._cache / "features"
            self._stores[features] = build_store(
                self._data, features, part="train", cache=cache, progress=self._progress
            )
        return self._stores[features]


def load_examples(material: Material, fold: int) -> tuple[Examples, Examples]:
    """Training and validation cycles of a fold.

    A process keeps the store that it opened last, and so the copy that its examples left on a device.
    """
    store = _open_store(material.store)
    train, validation = Folds.load(Path(material.folds)).split(store.patients, fold)
    return store.examples(train), store.examples(validation)


def synthetic_directory(config: SyntheticConfig, cache: Path | None = None) -> Path:
    """A directory with the synthetic recordings of `config`, written if it is not there yet."""
    name = f"v{VERSION}-{config.patients}-patients-seed-{config.seed}"
    directory = (cache or cache_folder()) / "synthetic" / name
    if not directory.exists():
        write_breaths(directory, patients=config.patients, seed=config.seed)
    return directory


def cache_folder() -> Path:
    """Where features are kept between runs: `RESPSWEEP_CACHE`, or `~/.cache/respsweep`."""
    return Path(os.environ.get("RESPSWEEP_CACHE", "~/.cache/respsweep")).expanduser()


@functools.lru_cache(maxsize=1)
def _open_store(directory: str) -> FeatureStore:
    return open_store(Path(directory))
