"""The one reading of the official test part: sealed, read with the finished units' weights, and written down."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.batches import Examples
from data.dataset import TRAINING_PART, DataSet, census, missing_from_full
from data.population import Population
from data.population_cycles import chosen_rows, patients_of
from data.recordings import read_recordings
from data.store import build_store
from evidence.bundle import Bundle, write_bundle
from evidence.ledger import Seal
from evidence.predictions import answers_of, rounded
from evidence.reading import headline_of, reading_numbers
from model.plain_methods import FITTED, fitted
from model.scan_engines import DEVICES
from model.training.prediction import load_network, predict
from model.training.recipe import Recipe
from sweep.evaluation.epoch_readings import parts_to_test
from sweep.evaluation.finished_units import FinishedUnits, finished_units
from sweep.evaluation.ledgers import Ledgers, ReadingError, own_ledger, part_hash
from sweep.evaluation.recordings_of import recordings_of
from sweep.evaluation.scored_cycles import TestedCycles, about_population, other_ages, tested_cycles
from sweep.evaluation.unified_model import unified_units
from sweep.folder.study_folder import StudyFolder
from sweep.storage.cache_folder import cache_folder
from sweep.storage.open_storage import below, open_storage

PROTOCOL = "honest: chosen on validation patients of the training part, last epoch, test part read by this command alone"
UNIFIED = 1
"""Number in a bundle of networks trained on patients of any age; those that were finished are number 0."""

Answering = Callable[[Examples], np.ndarray]
"""Gives the probabilities of cycles, (cycles, labels)."""


@dataclass(frozen=True)
class Reading:
    """A reading that was done: the file of its bundle, its numbers, and how many there are of these recordings now.

    `task` and `published`: names of the task, and of the public database that the recordings are of, if of one.
    `missing`: a line for each of its parts that was not all there. `at_every_epoch`: the studies that read these
    recordings at every epoch, before or since. `population`: whose cycles alone were read (`folds.population`).
    """

    bundle: str
    numbers: Mapping[str, Any]
    readings: int
    task: str
    published: str | None = None
    missing: tuple[str, ...] = ()
    at_every_epoch: tuple[str, ...] = ()
    population: Population = "all"


def read_test_part(
    folder: StudyFolder,
    data: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
    *,
    again: bool = False,
) -> Reading:
    """Read the official test part of a study's recordings with the units of a study that `respsweep finish` made.

    First a line in each ledger says what will be read with: protocol, recipe, seeds, hashes of data and weights. Then
    the test part is opened once: features, probabilities of every cycle by every seed, the numbers of
    `evidence.reading`, beside those of plain methods fitted to the same training part. They are written into a bundle
    in the study, `test-NUMBER.bundle`, and their main ones into the ledgers. `data`: where the recordings lie, unless
    where the study says. `say` hears how far the reading is.

    Raises ReadingError, before anything is sealed, when the study has not finished, its recordings are others now, or
    these very weights have read them, unless they shall do so `again`.
    """
    config = folder.config()
    if config.finishes is None:
        raise ReadingError(
            f"{folder.place}: a study that searched; the test part is read by the one that `respsweep finish` makes of "
            "it"
        )
    with folder.lock(), tempfile.TemporaryDirectory(prefix="respsweep-test-") as scratch:
        finished = _finished(folder, Path(scratch))
        unified = unified_units(folder, finished, Path(scratch))
        read_with = {
            "weights": {str(seed): digest for seed, digest in finished.sha256.items()},
            **({} if unified is None else {"unified": _about_unified(unified)}),
        }
        if not again:
            _refuse_to_read_again(folder, read_with)
        recordings = read_recordings(recordings_of(folder, data), config.scored_task.name)
        provenance = folder.provenance()
        if (data_hash := recordings.content_hash()) != provenance["data_hash"]:
            raise ReadingError(
                f"{recordings.directory}: other recordings (data_hash {data_hash[:12]}) than the study was trained on "
                f"({provenance['data_hash'][:12]})"
            )
        if (fault := other_ages(recordings, provenance)) is not None:
            raise ReadingError(fault)
        scored = tested_cycles(recordings, parts_to_test(recordings), finished.recipe.folds)
        networks = _networks(finished, recordings)
        if unified is not None:
            networks |= {
                (UNIFIED, seed): network for (_, seed), network in _networks(unified, recordings).items()
            }
        say(f"{' and '.join(FITTED)} on the training part, for comparison")
        plain = _plain_methods(recordings, finished.recipe)
        ledgers = Ledgers(folder, part_hash(recordings))
        sealed = {
            "study": folder.name,
            "study_id": provenance["study_id"],
            "finishes": config.finishes.model_dump(mode="json"),
            "task": recordings.task.name,
            "data_hash": data_hash,
            # What of a published data set is not here, so that nobody takes the number for one of all of it.
            "missing": list(missing_from_full(census(recordings))),
            "protocol": PROTOCOL,
            "recipe": finished.recipe.model_dump(mode="json"),
            "recipe_digest": finished.recipe.digest(),
            "seeds": list(finished.weights),
            **read_with,
            **about_population(finished.recipe.folds, provenance),
            # No threshold is tuned: an answer is the most probable label.
            "thresholds": None,
            "commit": provenance.get("commit"),
        }
        seal, name = ledgers.seal(sealed, data_hash)
        say(f"sealed as reading {seal.reading} of these recordings; the test part is opened")
        bundle = _read(
            recordings, scored, finished, networks, plain, seal, {**sealed, "id": name}, say, Path(scratch)
        )
        numbers = reading_numbers(bundle)
        content, digest = write_bundle(replace(bundle, claims=numbers))
        storage = open_storage(folder.place)
        file = next(one for one in map("test-{}.bundle".format, itertools.count(1)) if not storage.has(one))
        storage.write(file, content)
        headline = {part: headline_of(found) for part, found in numbers["parts"].items()}
        told = {"study": folder.name, "study_id": sealed["study_id"], "file": file, "bundle": digest}
        told |= about_population(finished.recipe.folds, provenance)
        ledgers.read({**told, "numbers": headline}, name)
        return Reading(
            below(folder.place, file),
            numbers,
            seal.reading,
            recordings.task.name,
            None if recordings.published is None else recordings.published.name,
            tuple(sealed["missing"]),
            tuple(ledgers.studies_at_every_epoch()),
            finished.recipe.folds.population,
        )


def _refuse_to_read_again(folder: StudyFolder, read_with: Mapping[str, Any]) -> None:
    """Raise ReadingError where the study's ledger has a whole reading with these weights."""
    ledger = own_ledger(folder)
    same = {
        seal.id
        for seal in ledger.readings("sealed")
        if {key: seal.content[key] for key in ("weights", "unified") if key in seal.content} == read_with
    }
    if done := [entry for entry in ledger.readings() if entry.id in same]:
        reading = done[-1]
        # Whoever edited the line may have taken anything out of it.
        number, file = (reading.content.get(key, "?") for key in ("reading", "file"))
        raise ReadingError(
            f"{folder.place}: these weights read the test part as reading {number} of this study ({reading.at}); what "
            f"came of it: respsweep verify {below(folder.place, str(file))}; to read it once more, which the ledgers "
            f"count: respsweep test {folder.arguments} --again"
        )


def _read(
    recordings: DataSet,
    scored: TestedCycles,
    finished: FinishedUnits,
    networks: Mapping[tuple[int, int], torch.nn.Module],
    plain: Mapping[str, Answering],
    seal: Seal,
    sealed: Mapping[str, Any],
    say: Callable[[str], None],
    scratch: Path,
) -> Bundle:
    """Take the answers of every network on every cycle of the test parts; the bundle claims nothing yet."""
    examples = []
    for part, rows in scored.rows.items():
        say(f"features of the {part} part")
        store = build_store(
            recordings, finished.recipe.features, part=part, cache=scratch, progress=False, seal=seal
        )
        examples.append(store.examples(rows))
    predictions = {}
    for (number, seed), network in networks.items():
        say(f"seed {seed}{', trained on patients of any age' if number == UNIFIED else ''}")
        predictions[number, seed] = _answers(network, examples, finished.recipe)
    baselines = {name: np.concatenate(list(map(method, examples))) for name, method in plain.items()}
    return Bundle(
        kind="test",
        labels=recordings.task.labels,
        formula=recordings.task.score,
        about={
            **sealed,
            "reading": seal.reading,
            "numpy": np.__version__,
            "excluded": sorted(recordings.never_validate),
        },
        claims={},
        cycles=scored.cycles,
        predictions=predictions,
        baselines={name: rounded(told, answers_of(told)) for name, told in baselines.items()},
    )


def _plain_methods(recordings: DataSet, recipe: Recipe) -> dict[str, Answering]:
    """Fit what a network has to beat to the cycles that the networks were trained on."""
    store = build_store(
        recordings, recipe.features, part=TRAINING_PART, cache=cache_folder() / "features", progress=False
    )
    heard = chosen_rows(np.arange(len(store)), store.patients, patients_of(recordings, recipe.population))
    train, classes = store.examples(heard), recordings.task.num_classes
    return {name: fitted(name, 0, train, classes) for name in FITTED}


def _about_unified(unified: FinishedUnits) -> dict[str, Any]:
    """Tell for the seal with which networks for all patients those for some are read."""
    return {
        "study": unified.study,
        "configuration": UNIFIED,
        "recipe_digest": unified.recipe.digest(),
        "weights": {str(seed): digest for seed, digest in unified.sha256.items()},
    }


def _networks(finished: FinishedUnits, recordings: DataSet) -> dict[tuple[int, int], torch.nn.Module]:
    """Load every seed's network and have it answer to silence once: what can go wrong is to go wrong before the seal."""
    recipe = finished.recipe
    here = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(DEVICES.get(recipe.backbone.scan_engine, here))
    frames, mels = recipe.features.frames, recipe.features.n_mels
    silence = Examples(torch.zeros(2, frames, mels), torch.zeros(2, dtype=torch.long))
    networks = {}
    for seed, weights in finished.weights.items():
        unit = finished.configuration, seed
        networks[unit] = load_network(recipe, recordings.task, weights, device)
        _answers(networks[unit], [silence], recipe)
    return networks


def _answers(network: torch.nn.Module, examples: Sequence[Examples], recipe: Recipe) -> np.ndarray:
    device = next(network.parameters()).device
    kept = []
    for part in examples:
        probabilities, answers = predict(network, part, recipe, device)
        if not np.isfinite(probabilities).all():
            raise ReadingError("the network's answers are not finite; nothing was written down of them")
        kept.append(rounded(probabilities, answers))
    return np.concatenate(kept)


def _finished(folder: StudyFolder, scratch: Path) -> FinishedUnits:
    """Collect recipe and weights of a finishing study. Raises ReadingError when a seed has not finished."""
    board = folder.board()
    chosen = board.best()
    if chosen is None:
        done = len(board.configurations[0].finished_values("score")) if board.configurations else 0
        # A study that never ran has no seeds on its board.
        seeds = len(folder.config().seeds)
        raise ReadingError(
            f"{folder.place}: {done} of {seeds} seeds have finished; go on with: respsweep run --resume "
            f"{folder.arguments}"
        )
    if len(board.configurations) != 1 or dict(chosen.values) != dict(folder.config().enqueue[0]):
        raise ReadingError(f"{folder.place}: trained something else than the configuration that it finishes")
    return finished_units(folder, chosen, board.seeds, scratch)
