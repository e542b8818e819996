"""A folder with the networks of a configuration: a file of weights for each seed, and the recipe that they are of."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from data.errors import UserError
from data.settings import ConfigError
from data.task import Task, task_named
from model.training.prediction import random_network
from model.training.recipe import Recipe, read_recipe
from sweep.evaluation.finished_units import FinishedUnits, check_notes
from sweep.evaluation.sealed_recordings import SealedRecordings
from sweep.study.units import unit_id
from sweep.worker.unit_results import UnitResultError

RECIPE = "recipe.yaml"
TEST_PART = "test_part.sha256"
"""The file with the SHA-256 (hex) of each recording of the official test part, a line each, where these are known."""
PACKAGES = ("respsweep", "torch", "safetensors")
SHARED = ("study", "study_id", "configuration", "seeds", "task", "recipe", "learned", "test_part")
"""What every file of a folder says alike."""
MOST_SEEDS = 1000
LONGEST_NOTE = 10_000
LARGEST_LIST = 2**26
"""Bytes that the list of the test part may take: about a million recordings."""
_TYPES = {torch.float32: "F32", torch.int64: "I64"}


class WeightsFolderError(UserError):
    """A folder of weights that is none, is damaged, or cannot be written."""


@dataclass(frozen=True)
class Exported:
    """What a folder of weights holds: networks, and the recordings of the test part to which they do not answer."""

    units: FinishedUnits
    sealed: SealedRecordings


def is_weights_folder(folder: Path) -> bool:
    """Whether a folder holds a recipe or weights, and no study."""
    if not folder.is_dir() or (folder / "study.yaml").exists():
        return False
    return (folder / RECIPE).exists() or any(folder.glob("*.safetensors"))


def weights_file(configuration: int, seed: int) -> str:
    """Name the file of a seed's weights."""
    return f"{unit_id(configuration, seed)}.safetensors"


def save_weights(
    units: FinishedUnits, study: str, study_id: str, test_part: Iterable[str] | None, folder: Path
) -> dict[str, str]:
    """Write the weights of each seed into a folder that is there; returns the SHA-256 (hex) of each file by its name.

    Beside the names of its tensors a file says from which study, configuration and seed it is, of which recipe and task,
    what the network learned from, and the versions of the libraries; and a check sum of all that and of the weights.
    `test_part`: the SHA-256 (hex) of each recording of the study's official test part; None where they are not known.
    Raises OSError when nothing can be written.
    """
    listed = None if test_part is None else "".join(f"{digest}\n" for digest in sorted(set(test_part)))
    if listed is not None:
        (folder / TEST_PART).write_text(listed)
    digests = {}
    for seed, path in units.weights.items():
        notes = {
            "study": study,
            "study_id": study_id,
            "configuration": str(units.configuration),
            "seed": str(seed),
            "seeds": ",".join(map(str, units.weights)),
            "unit": unit_id(units.configuration, seed),
            # Of the file in the study, which a seal in the ledger names.
            "unit_sha256": units.sha256[seed],
            "recipe": units.recipe.digest(),
            "epoch": str(units.recipe.epochs),
            "task": units.task.name,
            "learned": units.learned,
            "test_part": "unknown" if listed is None else hashlib.sha256(listed.encode()).hexdigest(),
            **{f"version.{package}": importlib.metadata.version(package) for package in PACKAGES},
        }
        name = weights_file(units.configuration, seed)
        tensors = safetensors.torch.load_file(path)
        notes["sha256"] = _check_sum(notes, safetensors.torch.save(tensors))
        content = safetensors.torch.save(tensors, notes)
        (folder / name).write_bytes(content)
        digests[name] = hashlib.sha256(content).hexdigest()
    return digests


def read_weights_folder(folder: Path) -> Exported:
    """Find recipe and weights in a folder that `save_weights` filled, each file checked against the recipe.

    No tensor is read: names, shapes and types are compared before. Raises WeightsFolderError for a folder that holds
    something else, files of different studies, or not all seeds, and ConfigError for a recipe that is none.
    """
    if not (folder / RECIPE).is_file():
        raise WeightsFolderError(
            f"{folder}: no {RECIPE} in it; expected a folder of respsweep export --weights"
        )
    recipe = read_recipe(folder / RECIPE)
    files = sorted(folder.glob("*.safetensors"))
    if not 1 <= len(files) <= MOST_SEEDS:
        raise WeightsFolderError(f"{folder}: {len(files)} files of weights; expected one for each seed")
    by_seed: dict[int, tuple[Path, dict[str, str]]] = {}
    for path in files:
        notes = _notes(path, recipe)
        by_seed[_whole(notes["seed"], f"{path}: seed")] = path, notes
    (first, shared), *others = by_seed.values()
    for path, notes in others:
        for name in SHARED:
            if notes[name] != shared[name]:
                raise WeightsFolderError(
                    f"{path}: of another {name} than {first.name}; expected one configuration"
                )
    seeds = [_whole(seed, f"{first}: seeds") for seed in shared["seeds"].split(",", MOST_SEEDS)]
    if lacking := sorted(set(seeds) ^ by_seed.keys()):
        raise WeightsFolderError(
            f"{folder}: files of seeds {', '.join(map(str, sorted(by_seed)))}, expected {shared['seeds']}: the networks "
            f"answer together ({lacking[0]} is not in both)"
        )
    task = _task(shared["task"], first)
    shapes = {name: (list(value.shape), _TYPES[value.dtype]) for name, value in _empty(recipe, task).items()}
    for path, _ in by_seed.values():
        _check_tensors(path, shapes)
    # Now that no file is larger than a network.
    for path, notes in by_seed.values():
        if _check_sum(notes, path.read_bytes()) != notes["sha256"]:
            raise WeightsFolderError(
                f"{path}: not as it was exported: its check sum is another; export it again"
            )
    units = FinishedUnits(
        study=f"{folder} (study {shared['study']})",
        configuration=_whole(shared["configuration"], f"{first}: configuration"),
        task=task,
        recipe=recipe,
        learned=shared["learned"],
        # In the order of the study, in which probabilities are summed.
        weights={seed: by_seed[seed][0] for seed in seeds},
        sha256={seed: by_seed[seed][1]["unit_sha256"] for seed in seeds},
    )
    return Exported(units, _test_part(folder, shared["test_part"]))


def _empty(recipe: Recipe, task: Task) -> Mapping[str, torch.Tensor]:
    return random_network(recipe, task).state_dict()


def _notes(path: Path, recipe: Recipe) -> dict[str, str]:
    """Read what a file of weights says of itself. Raises WeightsFolderError for one that is not of this recipe."""
    found = re.fullmatch(r"(\d{4,9}-seed-?\d{1,19})\.safetensors", path.name)
    if found is None:
        raise WeightsFolderError(
            f"{path}: not the name of a seed's weights; expected {weights_file(0, 1)}, say"
        )
    try:
        notes = check_notes(path, recipe, found[1])
    except (UnitResultError, OSError) as error:
        raise WeightsFolderError(f"{path}: {error}") from error
    for name in (*SHARED, "seed", "unit_sha256", "sha256"):
        if not 0 < len(notes.get(name, "")) <= LONGEST_NOTE:
            raise WeightsFolderError(
                f"{path}: does not say its {name}; expected a file of respsweep export --weights"
            )
    numbers = _whole(notes["configuration"], f"{path}: configuration"), _whole(notes["seed"], f"{path}: seed")
    if unit_id(*numbers) != found[1]:
        raise WeightsFolderError(f"{path}: says that it is of {unit_id(*numbers)}")
    return notes


def _check_sum(notes: Mapping[str, str], content: bytes) -> str:
    """SHA-256 (hex) of what a file says of itself and of its weights, which are all behind the header."""
    told = json.dumps({name: text for name, text in notes.items() if name != "sha256"}, sort_keys=True)
    # The length of the header comes first.
    weights = memoryview(content)[8 + int.from_bytes(content[:8], "little") :]
    digest = hashlib.sha256(told.encode())
    digest.update(weights)
    return digest.hexdigest()


def _check_tensors(path: Path, shapes: Mapping[str, tuple[list[int], str]]) -> None:
    """Compare names, shapes and types of a file's tensors with those of a network. Raises WeightsFolderError."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            found = {
                name: (list(one.get_shape()), str(one.get_dtype()))
                for name in file.keys()  # noqa: SIM118
                for one in [file.get_slice(name)]
            }
    except (safetensors.SafetensorError, OSError) as error:
        raise WeightsFolderError(f"{path}: not a file of weights ({error})") from error
    for name in sorted(found.keys() | shapes.keys()):
        if found.get(name) != shapes.get(name):
            raise WeightsFolderError(
                f"{path}: {name[:80]}: {_shown(found.get(name))}; expected {_shown(shapes.get(name))}, as the network "
                f"of {RECIPE} has it"
            )


def _shown(tensor: tuple[list[int], str] | None) -> str:
    return "no such tensor" if tensor is None else f"{tensor[1]} of shape {tensor[0]}"


def _test_part(folder: Path, expected: str) -> SealedRecordings:
    """Read which recordings belong to the test part. Raises WeightsFolderError when the list is not the one exported."""
    if expected == "unknown":
        return SealedRecordings({}, "they were not known when the weights were exported")
    path = folder / TEST_PART
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_LIST + 1)
    except OSError as error:
        raise WeightsFolderError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_LIST or hashlib.sha256(content).hexdigest() != expected:
        raise WeightsFolderError(f"{path}: not the list that the weights were exported with")
    return SealedRecordings({}, digests=frozenset(content.decode("ascii", "replace").split()))


def _task(name: str, path: Path) -> Task:
    try:
        return task_named(name)
    except ConfigError as error:
        raise WeightsFolderError(f"{path}: {error}") from error


def _whole(text: str, where: str) -> int:
    if not re.fullmatch(r"-?\d{1,19}", text, re.ASCII):
        raise WeightsFolderError(f"{where}: expected a whole number, got {text[:20]!r}")
    return int(text)
