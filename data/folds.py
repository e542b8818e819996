"""Validation folds inside the official training part: by patient, alike in classes and devices.

Near-copies of a breath come from the same patient, so a patient is either trained on or validated on.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from data.atomic import write_whole
from data.errors import DataError
from data.json_text import parse_json
from data.quantities import counted
from data.recipe_parts import FoldConfig
from data.settings import ConfigError
from data.task import Task

CYCLES_PER_CLASS = 40
"""Cycles of every class that every fold must hold, if the class has enough; see `_requirements`."""
TRIES = 100
"""How many random states are tried to meet the requirements."""
FOLDS = "folds: "
"""How a warning begins of what is uneven in folds."""


@dataclass(frozen=True)
class Folds:
    """The fold that each patient validates in; patients of `never_validate` are always trained on."""

    assignment: Mapping[int, int]
    never_validate: frozenset[int]
    folds: int
    random_state: int

    def split(
        self, patients: Int[np.ndarray, " cycles"], fold: int | None
    ) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " validation"]]:
        """Divide rows into those to train on and those to validate on, given the patient of every row.

        Without a fold (None) nobody is held out: all rows are trained on, and all are scored.

        Raises DataError for a patient without a fold, and when either side is left empty.
        """
        if fold is not None and not 0 <= fold < self.folds:
            raise ConfigError(f"fold: expected 0 to {self.folds - 1}, got {fold}")
        unknown = set(patients.tolist()) - set(self.assignment) - self.never_validate
        if unknown:
            raise DataError(
                f"folds: patient {min(unknown)} has no fold; expected folds made from the same recordings"
            )
        if fold is None:
            return np.arange(len(patients)), np.arange(len(patients))
        held_out = np.isin(patients, [patient for patient, own in self.assignment.items() if own == fold])
        train, validation = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        if not len(train) or not len(validation):
            raise DataError(
                f"folds: fold {fold} leaves {len(train)} cycles to train and {len(validation)} to validate on"
            )
        return train, validation

    def hash(self) -> str:
        """SHA-256 of who validates in which fold, hex; equal folds have equal hashes, however they were made."""
        content = {key: value for key, value in self._content().items() if key != "random_state"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write the folds as JSON; the file appears whole or not at all."""
        write_whole(path, json.dumps(self._content(), indent=1) + "\n", to_disk=False)

    @classmethod
    def load(cls, path: Path) -> Folds:
        """Read folds from a file that `save` wrote.

        Raises DataError when the file is missing or holds anything else, and when its name is a hash, of 64 hexadecimal
        digits, that is not the hash of these folds.
        """
        try:
            content = parse_json(path.read_bytes())
            folds = cls(
                assignment={int(patient): int(fold) for patient, fold in content["assignment"].items()},
                never_validate=frozenset(map(int, content["never_validate"])),
                folds=int(content["folds"]),
                random_state=int(content["random_state"]),
            )
            if re.fullmatch("[0-9a-f]{64}", path.stem) and folds.hash() != path.stem:
                raise ValueError(f"a patient has moved: the hash of these folds is {folds.hash()[:12]}")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise DataError(
                f"{path}: not a file of folds ({error!r}); expected one that this program saved"
            ) from error
        return folds

    def _content(self) -> dict[str, Any]:
        return {
            "folds": self.folds,
            "random_state": self.random_state,
            "never_validate": sorted(self.never_validate),
            "assignment": {str(patient): fold for patient, fold in sorted(self.assignment.items())},
        }


def check_patients(may_validate: Collection[int], config: FoldConfig) -> None:
    """Raise DataError when fewer patients may validate than there are to be folds."""
    if len(may_validate) < config.folds:
        raise DataError(
            f"folds.folds: {counted(len(may_validate), 'patient')} may validate, too few for {config.folds} folds; "
            "expected as many patients as folds, or more: take fewer folds, or recordings of more patients"
        )


def make_folds(
    patients: Int[np.ndarray, " cycles"],
    labels: Int[np.ndarray, " cycles"],
    devices: Sequence[str],
    config: FoldConfig,
    *,
    task: Task,
    never_validate: frozenset[int],
) -> Folds:
    """Deal patients into folds alike in classes and devices, given patient, label and device of every training cycle.

    Random states from `config.seed` on are tried until every fold has its fair share (60 %) of the patients
    of the commonest device and 55 % of its fair share of every class, but no more than 40 cycles need be
    there. On the full ICBHI database that means 2 patients of AKGC417L and 40 cycles of each class. A class of
    fewer patients than folds is left out of this, with a warning, as is a class without any cycle. When no state
    achieves the rest, the most even one is taken, with a warning that says what is not met. Raises DataError when there
    are fewer patients than folds.
    """
    # Workers import this module to read folds, and have no use for scikit-learn.
    from sklearn.model_selection import StratifiedGroupKFold

    eligible = ~np.isin(patients, sorted(never_validate))
    groups, classes = patients[eligible], labels[eligible]
    device_of_row = np.asarray(devices)[eligible]
    check_patients(set(groups.tolist()), config)
    needs, warned = _requirements(groups, classes, device_of_row, config.folds, task)
    absent = [name for label, name in enumerate(task.labels) if label not in labels]
    if absent:
        warned.append(f"no training cycle is {', '.join(absent)}, so the network cannot learn to tell it")
    best: tuple[float, Folds, dict[str, int]] | None = None
    for random_state in range(config.seed, config.seed + TRIES):
        splitter = StratifiedGroupKFold(config.folds, shuffle=True, random_state=random_state)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            rows_of_folds = [held for _, held in splitter.split(classes, classes, groups)]
        fewest = _fewest(
            needs, [_held(groups[rows], classes[rows], device_of_row[rows], task) for rows in rows_of_folds]
        )
        share = min((fewest[what] / count for what, count in needs.items()), default=1.0)
        if best is None or share > best[0]:
            assignment = {
                int(p): fold for fold, rows in enumerate(rows_of_folds) for p in np.unique(groups[rows])
            }
            best = share, Folds(assignment, never_validate, config.folds, random_state), fewest
        if share >= 1:
            break
    assert best is not None
    unmet = [
        f"{count} {what} (one has {best[2][what]})" for what, count in needs.items() if best[2][what] < count
    ]
    if unmet:
        warned.append(f"none of {TRIES} draws gives every fold {', '.join(unmet)}; the most even one is used")
    if warned:
        warnings.warn(f"{FOLDS}{'; '.join(warned)}", stacklevel=2)
    return best[1]


def _requirements(
    groups: np.ndarray, classes: np.ndarray, devices: np.ndarray, folds: int, task: Task
) -> tuple[dict[str, int], list[str]]:
    """Counts that every fold must reach, under the names that `_held` counts by, and why a class is not among them."""
    commonest = Counter(devices.tolist()).most_common(1)[0][0]
    owners = len(set(groups[devices == commonest].tolist()))
    needs, impossible = {f"{commonest} patients": math.floor(0.6 * owners / folds)}, []
    for label, count in sorted(Counter(classes.tolist()).items()):
        what, holders = f"{task.labels[label]} cycles", len(set(groups[classes == label].tolist()))
        if holders < folds:
            impossible.append(f"patients with {what}: {holders}, so some of the {folds} folds have none")
        else:
            needs[what] = min(CYCLES_PER_CLASS, math.ceil(0.55 * count / folds))
    return {what: count for what, count in needs.items() if count > 0}, impossible


def _held(groups: np.ndarray, classes: np.ndarray, devices: np.ndarray, task: Task) -> Counter[str]:
    held = Counter(f"{task.labels[label]} cycles" for label in classes.tolist())
    held.update(
        f"{device} patients" for _, device in set(zip(groups.tolist(), devices.tolist(), strict=True))
    )
    return held


def _fewest(needs: Mapping[str, int], held: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The least that any fold has of each thing that is needed."""
    return {what: min(fold.get(what, 0) for fold in held) for what in needs}
