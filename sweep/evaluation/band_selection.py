"""A ranking of mel bands: networks trained on all folds but one, and what their answers to that fold rest on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from data.bands import BandRanking
from data.batches import Examples
from data.own_code import own_code
from data.settings import ConfigError, parse
from model.attribution import Method, attribution, band_vectors, check_method, default_method
from model.band_importance import (
    LEAST,
    Trained,
    band_groups,
    consistent_importance,
    fold_correlations,
    remove_backward,
    remove_least_important,
)
from model.training.inputs import kept_places, mean_baseline, network_input
from model.training.prediction import random_network
from model.training.recipe import Recipe, read_recipe
from model.training.training import Training
from sweep.evaluation.kept_networks import KeptNetwork, KeptNetworks
from sweep.evaluation.recordings_of import recordings_of
from sweep.evaluation.searched_weights import check_searched_weights
from sweep.folder.study_folder import StudyFolder
from sweep.report.which_configuration import which_configuration
from sweep.worker.local_data import load_examples
from sweep.worker.prepared_data import DataPreparation, PreparedData
from sweep.worker.weights import weights_of

AtWork = Callable[[str, int, int], None]
"""Is told what a network is at, and how much of that is done, out of how much."""
PENALTY, PENALTY_OF_TWO = 0.5, 1.0
"""Deviations taken from the mean, lambda: with several classes, and with two (arXiv 2507.20052)."""


@dataclass(frozen=True)
class BandSelection:
    """How bands are ranked.

    `method`: None for what suits the network. `penalty`: lambda, None for the default of so many classes. `rounds`:
    removals at most, None for as many as scores bear. `backward`: try every group in every round, and attribute nothing.
    """

    method: Method | None = None
    penalty: float | None = None
    rounds: int | None = None
    backward: bool = False
    seed: int = 1


@dataclass
class _Folds:
    """Trains networks with some bands, one for each fold of patients, and remembers what they made of all bands."""

    recipe: Recipe
    preparation: DataPreparation
    selection: BandSelection
    tell: Callable[[str], None]
    at_work: AtWork
    kept: KeptNetworks
    correlations: tuple[float | None, ...] | None = None
    whole: Float[np.ndarray, " bands"] | None = None
    method: str | None = None
    trained: int = 0

    @property
    def penalty(self) -> float:
        given, classes = self.selection.penalty, self.preparation.task.num_classes
        return given if given is not None else PENALTY_OF_TWO if classes == 2 else PENALTY

    def train(self, bands: tuple[int, ...]) -> Trained:
        """Train on all folds but each in turn; importances are of the cycles of the fold that is left out."""
        networks = [self._network(bands, fold) for fold in range(self.recipe.folds.folds)]
        cases = [np.array(one.importances) for one in networks]
        self.method = next(one.method for one in networks)
        together = consistent_importance(np.concatenate(cases), self.penalty)
        if self.whole is None:
            self.whole = together
            self.correlations = fold_correlations([consistent_importance(one, self.penalty) for one in cases])
        return Trained(float(np.mean([one.score for one in networks])), together)

    def score(self, bands: tuple[int, ...]) -> float:
        """Train on all folds but each in turn; returns the mean score."""
        scores = [self._network(bands, fold).score for fold in range(self.recipe.folds.folds)]
        return float(np.mean(scores))

    def _network(self, bands: tuple[int, ...], fold: int) -> KeptNetwork:
        """Train without the patients of a fold, and attribute answers to them, or find what was kept of that."""
        self.trained += 1
        name = f"network {self.trained}: {len(bands)} bands, fold {fold + 1}/{self.recipe.folds.folds}"
        if (found := self.kept.get(bands, fold)) is not None:
            self.tell(f"{name}, score {100 * found.score:.1f} %, kept from before")
            return found
        training, validation = self._trained(bands, fold, name)
        score = training.history[-1].score
        self.tell(f"{name}, score {100 * score:.1f} %")
        if self.selection.backward:
            found = KeptNetwork(bands=bands, fold=fold, score=score)
        else:
            rows, method = self._attributed(training, validation, name)
            importances = tuple(map(tuple, rows.tolist()))
            found = KeptNetwork(bands=bands, fold=fold, score=score, importances=importances, method=method)
        self.kept.add(found)
        return found

    def _trained(self, bands: tuple[int, ...], fold: int, name: str) -> tuple[Training, Examples]:
        """Train without the patients of a fold; returns the run, and their cycles."""
        recipe = with_bands(self.recipe, bands)
        prepared = self.preparation.prepare(recipe)
        train, validation = load_examples(prepared, fold)
        task = self.preparation.task
        training = Training(recipe, self.selection.seed, train, validation, task=task, data=prepared.identity)

        def goes_on() -> bool:
            self.at_work(f"{name}, epochs", training.epoch, recipe.epochs)
            return False

        while not training.done:
            # Before each batch, as an epoch may take minutes.
            training.run_epoch_unless(goes_on)
        return training, validation

    def _attributed(
        self, training: Training, validation: Examples, name: str
    ) -> tuple[Float[np.ndarray, "classes bands"], Method]:
        """Attribute answers to the cycles of a fold; returns the importances, and by what method."""
        training.model.eval()
        method = self.selection.method or default_method(training.model)
        found = class_importances(
            training.model,
            validation.to(training.device),
            training.recipe,
            training.device,
            method,
            lambda done: self.at_work(f"{name}, {method} of cycles", done, len(validation)),
        )
        if not len(found):
            raise ConfigError(
                f"bands: {method} found nothing that a network's answers rest on; train more epochs, or take "
                "another method"
            )
        return found, method


def rank_bands(
    recipe: Recipe,
    preparation: DataPreparation,
    selection: BandSelection,
    tell: Callable[[str], None],
    *,
    at_work: AtWork = lambda what, done, total: None,
    kept: KeptNetworks | None = None,
) -> BandRanking:
    """Rank all mel bands of a recipe, whichever it keeps, by groups; `tell` is told of every network in a line.

    `at_work` is told, again and again, what a network is at, and how much of that is done, out of how much. With
    `kept`, which is read here, what each network came to is kept in its file, and the same ranking, asked for once more,
    goes on from that. The file stays: who has written the ranking removes it.

    Networks are trained on the official training part, without a fold of its patients each, and scored at their last
    epoch. Raises ConfigError or DataError for recipes and recordings that cannot be trained so, with each fold left out
    in turn, and for a method that is not for the recipe's network; before features are made where annotations say so.
    """
    # The fold of the recipe plays no role, as each is left out in turn.
    recipe = recipe.model_copy(
        update={
            "features": recipe.features.model_copy(update={"bands": None}),
            "folds": recipe.folds.model_copy(update={"fold": 0}),
        }
    )
    for fold in range(recipe.folds.folds):
        folds = recipe.folds.model_copy(update={"fold": fold})
        preparation.check_origins(recipe.model_copy(update={"folds": folds}))
    if selection.method is not None:
        check_method(random_network(recipe, preparation.task), selection.method)
    groups = band_groups(recipe.features.n_mels)
    prepared = preparation.prepare(recipe)
    kept = KeptNetworks(None) if kept is None else kept
    kept.read(_ranking(recipe, prepared, selection, preparation.task.name))
    if kept.of_another:
        tell(
            f"{kept.path}: of another ranking, by its recipe, weights, code of your own, recordings, method or seed; "
            "every network is trained"
        )
    networks = _Folds(recipe, preparation, selection, tell, at_work, kept)
    least = least_bands(recipe)
    if selection.backward:
        found = remove_backward(groups, networks.score, selection.rounds, least)
    else:
        found = remove_least_important(groups, networks.train, selection.rounds, least)
    whole = networks.whole
    return BandRanking(
        groups=found.groups,
        scale=recipe.features.mel_scale,
        method="backward" if selection.backward else str(networks.method),
        consistency_penalty=None if selection.backward else networks.penalty,
        scores=() if whole is None else tuple(float(whole[list(group)].mean()) for group in found.groups),
        folds=tuple(range(recipe.folds.folds)),
        fold_correlations=networks.correlations or (),
        rounds=found.rounds,
        best_keep=found.best_keep,
        data_hash=prepared.data_hash,
        fold_hash=prepared.fold_hash,
        recipe_digest=recipe.digest(),
    )


def _ranking(recipe: Recipe, prepared: PreparedData, selection: BandSelection, task: str) -> dict[str, Any]:
    """What networks of a ranking depend on, beside their bands and fold."""
    weights = weights_of(recipe)
    return {
        "recipe_digest": recipe.digest(),
        "weights_hash": None if weights is None else weights.sha256,
        "own_code": own_code((recipe.backbone.name, task)),
        "data_hash": prepared.data_hash,
        "fold_hash": prepared.fold_hash,
        "task": task,
        "method": "backward" if selection.backward else selection.method,
        "seed": selection.seed,
    }


@dataclass(frozen=True)
class Ranked:
    """The recipe whose bands are ranked, where the recordings lie, and the task that they are read for."""

    recipe: Recipe
    recordings: Path
    task: str | None


def recipe_and_recordings(name: str, studies: Path | str, data: Path | None = None) -> Ranked:
    """Find the recipe in a file of that name, or that of the best configuration of a study of that name.

    `data`: where the recordings lie; only a study says so itself. Raises ConfigError for a recipe file without it,
    NoConfigurationError for a study whose best configuration is not known, and OtherWeightsError where it starts from
    weights that have changed since.
    """
    if Path(name).is_file():
        if data is None:
            raise ConfigError(f"{name}: a recipe says nothing of recordings; give --data DIR")
        return Ranked(read_recipe(Path(name)), data, None)
    folder = StudyFolder.open(studies, name)
    chosen, config = which_configuration(folder.board(), folder.place), folder.config()
    recipe = config.space.recipe(chosen.values)
    check_searched_weights(folder, recipe)
    return Ranked(recipe, recordings_of(folder, data), config.task)


def changed_recipe(recipe: Recipe, folds: int | None, epochs: int | None) -> Recipe:
    """Put another number of folds or epochs into a recipe. Raises ConfigError when they do not go with the rest."""
    content = recipe.model_dump()
    if folds is not None:
        content["folds"] |= {"folds": folds, "fold": 0}
    if epochs is not None:
        content["epochs"] = epochs
    return parse(Recipe, content, "bands")


def class_importances(
    network: torch.nn.Module,
    examples: Examples,
    recipe: Recipe,
    device: torch.device,
    method: Method,
    progress: Callable[[int], None] = lambda done: None,
) -> Float[np.ndarray, "classes bands"]:
    """Mean share of each kept band in the logit of the true class, a row for each class whose cycles show any.

    The shares of a cycle add up to 1; cycles in which nothing was found are left out. Integrated gradients start from
    the mean of the kept bands of each cycle. `progress` is told how many cycles are done before each batch, and within
    it before each step of integrated gradients, as if the batch's cycles were done one after another.
    """
    places = kept_places(recipe)
    sums: dict[int, np.ndarray] = {}
    counts: dict[int, int] = {}
    order = torch.arange(len(examples)).split(recipe.batch_size)
    done = 0
    for features, labels in examples.to(device).batches(order):
        progress(done)
        inputs = network_input(features, recipe)
        maps = attribution(
            *(network, inputs, labels, method, mean_baseline(inputs, recipe)),
            progress=partial(_tell_within, progress, done, len(labels)),
        )[:, :, places]
        done += len(labels)
        for label in labels.unique().tolist():
            vectors = band_vectors(maps[labels == label]).cpu().double().numpy()
            sums[label] = sums.get(label, 0) + vectors.sum(axis=0)
            counts[label] = counts.get(label, 0) + len(vectors)
    rows = [sums[label] / counts[label] for label in sorted(sums) if counts[label]]
    return np.stack(rows) if rows else np.zeros((0, len(places)))


def _tell_within(progress: Callable[[int], None], before: int, cycles: int, share: float) -> None:
    """Tell how many cycles are done when so many were `before` a batch of `cycles`, of which a share is done."""
    progress(before + int(share * cycles))


def with_bands(recipe: Recipe, bands: tuple[int, ...]) -> Recipe:
    """Keep other bands in a recipe. Raises ConfigError when its network cannot do with them."""
    content = recipe.model_dump()
    content["features"]["bands"] = bands
    return parse(Recipe, content, "bands")


def least_bands(recipe: Recipe) -> int:
    """Count the bands that a removal leaves: 16, or 8 for a network of three blocks, which halves them less often."""
    return LEAST // 2 if recipe.backbone.variant == "three_blocks" else LEAST
