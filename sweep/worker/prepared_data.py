"""Features and folds of a data set, made once by content, and found or fetched on the machine that trains."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data.atomic import build_once, make_folder
from data.dataset import DataSet
from data.errors import DataError, UserError
from data.folds import Folds
from data.population_cycles import check_populations, chosen_rows, patients_of
from data.recipe_parts import FeatureConfig, FoldConfig
from data.recordings import read_recordings
from data.store import FeatureStore, build_store
from data.synthetic import VERSION, write_breaths
from data.task import Task
from evidence.ledger import Seal
from model.training.recipe import Recipe
from sweep.config.study_parts import SyntheticConfig
from sweep.storage.cache_folder import cache_folder
from sweep.storage.open_storage import open_storage
from sweep.storage.shared_copy import publish_file, publish_folder
from sweep.storage.storage import Storage
from sweep.worker.training_origins import TrainingOrigins

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
        self._origins = TrainingOrigins(self._data)
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
        what `check_origins` raises.
        """
        self.check_origins(recipe)
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

    def check_origins(self, recipe: Recipe) -> None:
        """Raise ConfigError when a recipe tells devices or patients apart, and its training cycles come from one.

        No features are made; what else is raised: `sweep.worker.training_origins`.
        """
        self._origins.check(recipe)

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
        folds = self._origins.folds(asked)
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
        if whole_folds(path) is None:
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


def synthetic_directory(config: SyntheticConfig, cache: Path | None = None) -> Path:
    """The directory with the synthetic recordings of `config`, written unless it is there."""
    name = f"v{VERSION}-{config.patients}-patients-seed-{config.seed}"
    directory = (cache or cache_folder()) / "synthetic" / name
    build_once(directory, lambda draft: write_breaths(draft, patients=config.patients, seed=config.seed))
    return directory


def whole_folds(path: Path) -> Folds | None:
    """The folds in a file; None when the file is missing or, with a warning, when it is damaged."""
    if not path.exists():
        return None
    try:
        return Folds.load(path)
    except DataError as error:
        warnings.warn(f"{error}; it is written anew", stacklevel=2)
        return None
