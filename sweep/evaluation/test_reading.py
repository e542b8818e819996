"""The one reading of the official test part: sealed, read with the finished units' weights, and written down."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.atomic import make_folder
from data.batches import Examples
from data.dataset import TRAINING_PART, DataSet
from data.recordings import read_recordings
from data.store import build_store
from evidence.bundle import Bundle, write_bundle
from evidence.ledger import Seal
from evidence.predictions import rounded
from evidence.reading import HEADLINE, reading_numbers
from model.training.prediction import load_network, predict
from model.training.recipe import Recipe
from sweep.evaluation.cycles_table import cycles_of
from sweep.evaluation.ledgers import Ledgers, ReadingError
from sweep.evaluation.recordings_of import recordings_of
from sweep.folder.study_folder import StudyFolder
from sweep.storage.open_storage import open_storage
from sweep.study.units import unit_id
from sweep.worker.unit_results import read_weights

PROTOCOL = "honest: chosen on validation patients of the training part, last epoch, test part read by this command alone"


@dataclass(frozen=True)
class Reading:
    """A reading that was done: the file of its bundle, its numbers, and how many there are of these recordings now."""

    bundle: str
    numbers: Mapping[str, Any]
    readings: int


@dataclass(frozen=True)
class _Finished:
    """What is read with: the recipe, and each seed's weights in a file."""

    recipe: Recipe
    configuration: int
    weights: Mapping[int, Path]
    sha256: Mapping[int, str]


def read_test_part(
    folder: StudyFolder, data: Path | None = None, say: Callable[[str], None] = lambda _: None
) -> Reading:
    """Read the official test part of a study's recordings with the units of a study that `respsweep finish` made.

    First a line in each ledger says what will be read with: protocol, recipe, seeds, hashes of data and weights. Then
    the test part is opened once: features, probabilities of every cycle by every seed, the numbers of
    `evidence.reading`. They are written into a bundle in the study, `test-NUMBER.bundle`, and their main ones into the
    ledgers. `data`: where the recordings lie, unless where the study says. `say` hears how far the reading is.

    Raises ReadingError when the study has not finished, or its recordings are others now, before anything is sealed.
    """
    config = folder.config()
    if config.finishes is None:
        raise ReadingError(
            f"{folder.place}: a study that searched; the test part is read by the one that `respsweep finish` makes of "
            "it"
        )
    with folder.lock(), tempfile.TemporaryDirectory(prefix="respsweep-test-") as scratch:
        finished = _finished(folder, Path(scratch))
        recordings = read_recordings(recordings_of(folder, data), config.scored_task.name)
        provenance = folder.provenance()
        if (data_hash := recordings.content_hash()) != provenance["data_hash"]:
            raise ReadingError(
                f"{recordings.directory}: other recordings (data_hash {data_hash[:12]}) than the study was trained on "
                f"({provenance['data_hash'][:12]})"
            )
        parts = [part for part in recordings.parts if part != TRAINING_PART and recordings.part(part)]
        if not parts:
            raise ReadingError(f"{recordings.directory}: no recording belongs to an official test part")
        ledgers = Ledgers(folder, data_hash)
        sealed = {
            "study": folder.name,
            "study_id": provenance["study_id"],
            "finishes": config.finishes.model_dump(mode="json"),
            "task": recordings.task.name,
            "data_hash": data_hash,
            "protocol": PROTOCOL,
            "recipe": finished.recipe.model_dump(mode="json"),
            "recipe_digest": finished.recipe.digest(),
            "seeds": list(finished.weights),
            "weights": {str(seed): digest for seed, digest in finished.sha256.items()},
            # No threshold is tuned: an answer is the most probable label.
            "thresholds": None,
            "commit": provenance.get("commit"),
        }
        seal = ledgers.seal(sealed)
        say(f"sealed as reading {seal.reading} of these recordings; the test part is opened")
        return _read(folder, recordings, parts, finished, seal, ledgers, sealed, say, Path(scratch))


def _read(
    folder: StudyFolder,
    recordings: DataSet,
    parts: list[str],
    finished: _Finished,
    seal: Seal,
    ledgers: Ledgers,
    sealed: Mapping[str, Any],
    say: Callable[[str], None],
    scratch: Path,
) -> Reading:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    examples = []
    for part in parts:
        say(f"features of the {part} part")
        store = build_store(
            recordings, finished.recipe.features, part=part, cache=scratch, progress=False, seal=seal
        )
        examples.append(store.examples())
    predictions = {}
    for seed, weights in finished.weights.items():
        say(f"seed {seed}")
        network = load_network(finished.recipe, recordings.task, weights, device)
        predictions[finished.configuration, seed] = _answers(network, examples, finished.recipe, device)
    cycles = cycles_of(recordings, parts)
    bundle = Bundle(
        kind="test",
        labels=recordings.task.labels,
        formula=recordings.task.score,
        about={**sealed, "reading": seal.reading, "excluded": sorted(recordings.never_validate)},
        claims={},
        cycles=cycles,
        predictions=predictions,
    )
    numbers = reading_numbers(bundle)
    content, digest = write_bundle(replace(bundle, claims=numbers))
    name = f"test-{seal.reading}.bundle"
    open_storage(folder.place).write(name, content)
    headline = {part: {key: numbers["parts"][part][key] for key in HEADLINE} for part in numbers["parts"]}
    ledgers.read(
        {"study": folder.name, "study_id": sealed["study_id"], "bundle": digest, "numbers": headline}
    )
    return Reading(f"{folder.place}/{name}", numbers, seal.reading)


def _answers(
    network: torch.nn.Module, examples: list[Examples], recipe: Recipe, device: torch.device
) -> np.ndarray:
    kept = []
    for part in examples:
        probabilities, answers = predict(network, part, recipe, device)
        if not np.isfinite(probabilities).all():
            raise ReadingError(
                "the network's answers on the test part are not finite; nothing was written down of them"
            )
        kept.append(rounded(probabilities, answers))
    return np.concatenate(kept)


def _finished(folder: StudyFolder, scratch: Path) -> _Finished:
    """Collect recipe and weights of a finishing study. Raises ReadingError when a seed has not finished."""
    config, board = folder.config(), folder.board()
    chosen = board.best()
    if chosen is None:
        done = len(board.configurations[0].finished_values("score")) if board.configurations else 0
        raise ReadingError(
            f"{folder.place}: {done} of {len(config.seeds)} seeds have finished; go on with: respsweep run --resume "
            f"{folder.arguments}"
        )
    weights, sha256 = {}, {}
    make_folder(scratch / "weights")
    for seed in board.seeds:
        content = read_weights(folder.checkpoints, chosen.number, seed)
        weights[seed] = scratch / "weights" / f"{unit_id(chosen.number, seed)}.safetensors"
        weights[seed].write_bytes(content)
        sha256[seed] = hashlib.sha256(content).hexdigest()
    return _Finished(config.space.recipe(chosen.values), chosen.number, weights, sha256)
