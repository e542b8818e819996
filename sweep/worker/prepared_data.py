"""Features and folds of a data set, made once by content, and found or fetched on the machine that trains."""

from __future__ import annotations

import functools
import hashlib
import json
import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from data.atomic import build_once, make_folder, remove_built, write_whole
from data.batches import Examples
from data.dataset import DataSet
from data.errors import DataError, UserError
from data.folds import Folds, make_folds
from data.population_cycles import check_populations, chosen_rows, patients_of
from data.recipe_parts import FeatureConfig, FoldConfig
from data.recordings import read_recordings
from data.settings import parse
from data.store import FeatureStore, build_store, is_damaged, open_store
from data.synthetic import VERSION, write_breaths
from data.task import Task
from evidence.ledger import Seal
from model.domain_parts import check_several_devices
from model.training.recipe import Recipe
from sweep.config.study_parts import SyntheticConfig
from sweep.storage.cache_folder import cache_folder
from sweep.storage.open_storage import below, open_storage
from sweep.storage.patience import patiently
from sweep.storage.shared_copy import fetch_folder, publish_file, publish_folder
from sweep.storage.storage import Storage

INDEX = "index.json"
"""The file of a feature store that is copied last, so that its presence says that the copy is whole."""


class DataPreparationError(UserError):
    """Features or folds that a machine can neither find nor make, or that cannot be shared."""


@dataclass(frozen=True)
class PreparedData:
    """What a unit trains on, and where a machine finds or makes it.

    `store` is the name of the feature store's folder, `task` that of the task for which the recordings were read; the
    hashes (SHA-256, hex) say of what features and folds are made. `cache` and `recordings` are folders as the driver
    sees them, `shared` is the place with copies for all machines, if there is one. `settings` are those of features and
    folds, as in a recipe. `tested` names the stores of official test parts, by part, of a study that reads these at
    every epoch, and `reading` is the number under which that is written down; no store and 0 in all other studies.
    `trained` and `scored` list the patients of the populations that are trained on and scored (`data.population`), of
    every official part, rising; None for all patients. Stores and folds are those of all patients.
    """

    store: str
    task: str
    data_hash: str
    fold_hash: str
    cache: str
    recordings: str
    settings: dict[str, Any]
    shared: str | None = None
    tested: Mapping[str, str] = field(default_factory=dict)
    reading: int = 0
    trained: Sequence[int] | None = None
    scored: Sequence[int] | None = None

    @property
    def stores(self) -> dict[str, Seal | None]:
        """The folders of all feature stores, the training part's first, and what opens each."""
        seal = Seal(self.data_hash, self.reading)
        return {self.store: None, **dict.fromkeys(self.tested.values(), seal)}

    @property
    def folds(self) -> str:
        return f"{self.fold_hash}.json"

    @property
    def identity(self) -> str:
        """What a checkpoint keeps of the data that its run was trained on: hashes of recordings, folds and patients."""
        whole = f"{self.data_hash}/{self.fold_hash}"
        if self.trained is None and self.scored is None:
            return whole
        chosen = json.dumps([self.trained and [*self.trained], self.scored and [*self.scored]])
        return f"{whole}/{hashlib.sha256(chosen.encode()).hexdigest()}"


class DataPreparation:
    """The official training part of a data set; test parts from when `unseal` was called with their seal."""

    def __init__(
        self, directory: Path, cache: Path | None = None, *, task: str | None = None, progress: bool = True
    ) -> None:
        """Read the recordings in `directory` for the task of that name, as `data.recordings.read_recordings` does."""
        self._data = read_recordings(directory, task)
        self._cache = cache or cache_folder()
        self._shared: Storage | None = None
        self._progress = progress
        self._stores: dict[tuple[FeatureConfig, str], FeatureStore] = {}
        self._seal: Seal | None = None
        self._tested: tuple[str, ...] = ()
        self._prepared: dict[tuple[FeatureConfig, FoldConfig], PreparedData] = {}
        self._chosen: dict[Hashable, tuple[tuple[int, ...] | None, tuple[int, ...] | None]] = {}

    def prepare(self, recipe: Recipe) -> PreparedData:
        """Make the features and folds that a recipe asks for, unless they are there, and choose its patients.

        Raises DataError for recordings that allow none, and for populations of which too little is left to train on or
        to score (`data.population_cycles`); DataPreparationError when the results cannot be shared; and
        what `check_devices` raises.
        """
        self.check_devices(recipe)
        prepared = self.make(recipe.features, recipe.folds)
        if recipe.population == "all" and recipe.folds.population == "all":
            return prepared
        key = (
            recipe.features.all_bands,
            recipe.folds,
            recipe.population,
            recipe.batch_size,
            recipe.sampling.drop_last,
        )
        if key not in self._chosen:
            self._chosen[key] = self._of_populations(recipe)
        trained, scored = self._chosen[key]
        return replace(prepared, trained=trained, scored=scored)

    def check_devices(self, recipe: Recipe) -> None:
        """Raise ConfigError when a recipe contrasts devices, and one device recorded the whole training part."""
        data = self._data
        present = sorted({recording.device for recording in data.part(data.parts[0])})
        check_several_devices(
            recipe.device_contrast, tuple(present), f"the training part in {data.directory}"
        )

    def share(self, place: str) -> None:
        """Copy all features and folds made so far, and made from now on, to a place that other machines reach.

        Raises DataPreparationError.
        """
        self._shared = open_storage(place)
        self._prepared = {asked: self._copied(prepared) for asked, prepared in self._prepared.items()}

    def unseal(self, seal: Seal, parts: Sequence[str]) -> None:
        """Make features of official test parts too from now on; the `seal` says that their reading is written down.

        Only a study whose file asks for the test part at every epoch does so (`sweep.evaluation.epoch_readings`).
        """
        self._seal, self._tested = seal, tuple(parts)
        self._prepared = {}

    @property
    def recordings(self) -> DataSet:
        """All recordings, of every official part."""
        return self._data

    @property
    def task(self) -> Task:
        """What the cycles are labelled with, and how answers are scored."""
        return self._data.task

    @property
    def data_hash(self) -> str:
        """SHA-256 of the recordings and their annotations, hex."""
        return self._data.content_hash(self._cache / "features")

    def make(self, features: FeatureConfig, folds: FoldConfig) -> PreparedData:
        """Make features and folds by their settings, unless they are there; raises what `prepare` raises.

        Features have all mel bands, whichever of them the settings choose.
        """
        features = features.all_bands
        if (features, folds) not in self._prepared:
            self._prepared[features, folds] = self._make(features, folds)
        return self._prepared[features, folds]

    def _make(self, features: FeatureConfig, asked: FoldConfig) -> PreparedData:
        store = self._store(features, self._data.parts[0])
        folds = make_folds(
            store.patients,
            store.labels,
            store.devices,
            asked,
            task=self.task,
            never_validate=self._data.never_validate,
        )
        prepared = PreparedData(
            store=store.directory.name,
            task=self.task.name,
            data_hash=store.data_hash,
            fold_hash=folds.hash(),
            cache=str(self._cache.absolute()),
            recordings=str(self._data.directory.absolute()),
            settings={"features": features.model_dump(mode="json"), "folds": asked.model_dump(mode="json")},
            tested={part: self._store(features, part).directory.name for part in self._tested},
            reading=0 if self._seal is None else self._seal.reading,
        )
        path = self._cache / "folds" / prepared.folds
        if _whole_folds(path) is None:
            make_folder(path.parent)
            folds.save(path)
        return self._copied(prepared)

    def _of_populations(self, recipe: Recipe) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
        """Choose the patients whom a recipe trains on and scores, once enough of their cycles are found."""
        store = self._store(recipe.features.all_bands, self._data.parts[0])
        folds = Folds.load(self._cache / "folds" / self.make(recipe.features, recipe.folds).folds)
        trained = patients_of(self._data, recipe.population)
        scored = patients_of(self._data, recipe.folds.population)
        train, validation = folds.split(store.patients, recipe.folds.fold)
        check_populations(
            store.labels[chosen_rows(train, store.patients, trained)],
            store.labels[chosen_rows(validation, store.patients, scored)],
            recipe.population,
            recipe.folds,
            recipe.batch_size if recipe.sampling.drop_last else 2,
        )
        return trained, scored

    def _copied(self, prepared: PreparedData) -> PreparedData:
        storage = self._shared
        if storage is None:
            return prepared
        folds = f"folds/{prepared.folds}"
        try:
            for features in (f"features/{store}" for store in prepared.stores):
                publish_folder(storage, self._cache / features, features, last=INDEX)
            publish_file(storage, self._cache / folds, folds)
        except OSError as error:
            raise DataPreparationError(
                f"{storage.place}: the features cannot be copied there: {error}"
            ) from error
        return replace(prepared, shared=storage.place)

    def _store(self, features: FeatureConfig, part: str) -> FeatureStore:
        if (features, part) not in self._stores:
            self._stores[features, part] = build_store(
                self._data,
                features,
                part=part,
                cache=self._cache / "features",
                progress=self._progress,
                seal=self._seal,
            )
        return self._stores[features, part]


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


def synthetic_directory(config: SyntheticConfig, cache: Path | None = None) -> Path:
    """The directory with the synthetic recordings of `config`, written unless it is there."""
    name = f"v{VERSION}-{config.patients}-patients-seed-{config.seed}"
    directory = (cache or cache_folder()) / "synthetic" / name
    build_once(directory, lambda draft: write_breaths(draft, patients=config.patients, seed=config.seed))
    return directory


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
    folds = _whole_folds(cache / "folds" / prepared.folds)
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


def _whole_folds(path: Path) -> Folds | None:
    """The folds in a file; None when the file is missing or, with a warning, when it is damaged."""
    if not path.exists():
        return None
    try:
        return Folds.load(path)
    except DataError as error:
        warnings.warn(f"{error}; it is written anew", stacklevel=2)
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
