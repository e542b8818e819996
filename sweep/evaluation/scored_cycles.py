"""Which cycles of a fold or of a part a study's networks are scored on: those of its population (`folds.population`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from data.dataset import DataSet
from data.folds import Folds
from data.population import ages_hash, ages_of, in_words
from data.population_cycles import scored_rows
from data.recipe_parts import FoldConfig
from evidence.bundle import Cycles
from sweep.evaluation.cycles_table import cycles_of
from sweep.evaluation.ledgers import ReadingError


def validated_rows(
    recordings: DataSet, cycles: Cycles, folds: Folds, asked: FoldConfig, fold: int | None = None
) -> np.ndarray:
    """List the rows of the training part's `cycles` that are scored in a fold, by default the one that is asked for."""
    held_out = folds.split(cycles.patients, asked.fold if fold is None else fold)[1]
    return scored_rows(recordings, cycles.patients, held_out, asked)


@dataclass(frozen=True)
class TestedCycles:
    """The scored cycles of official test parts, and by part their rows among all cycles of that part."""

    __test__ = False  # pytest takes the name for that of a test

    cycles: Cycles
    rows: Mapping[str, np.ndarray]


def tested_cycles(recordings: DataSet, parts: Sequence[str], asked: FoldConfig) -> TestedCycles:
    """Choose of some test parts the cycles that are scored; a part without any is left out.

    Raises ReadingError when no part has any.
    """
    rows, found = {}, []
    for part in parts:
        cycles = cycles_of(recordings, [part])
        kept = scored_rows(recordings, cycles.patients, np.arange(len(cycles)), asked)
        if len(kept):
            rows[part] = kept
            found.append(part)
    if not found:
        raise ReadingError(
            f"{recordings.directory}: no cycle of the test part is of {in_words(asked.population)}; there is nothing to "
            "read"
        )
    every = cycles_of(recordings, found)
    parts_of_rows = np.array(every.parts)
    kept = [np.flatnonzero(parts_of_rows == part)[rows[part]] for part in found]
    return TestedCycles(some_rows(every, np.concatenate(kept)), rows)


def some_rows(cycles: Cycles, rows: np.ndarray) -> Cycles:
    """Take some of the cycles, in the order of `rows`."""

    def some(column: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(column[row] for row in rows)

    return replace(
        cycles,
        labels=cycles.labels[rows],
        patients=cycles.patients[rows],
        recordings=some(cycles.recordings),
        positions=cycles.positions[rows],
        parts=some(cycles.parts),
        groups={name: some(column) for name, column in cycles.groups.items()},
    )


def about_population(asked: FoldConfig, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Tell for a bundle whose cycles are in it, and the hash of the ages that say so; nothing where all are scored."""
    if asked.population == "all":
        return {}
    population = asked.model_dump(mode="json")["population"]
    return {"population": population, "ages_hash": provenance.get("ages_hash")}


def other_ages(recordings: DataSet, provenance: Mapping[str, Any]) -> str | None:
    """Say that the ages of patients are others than those by which a study chose them; None where they are the same."""
    known = provenance.get("ages_hash")
    if known is None or known == (found := ages_hash(ages_of(recordings))):
        return None
    return (
        f"{recordings.directory}: other ages of patients (ages_hash {found[:12]}) than those by which the study chose "
        f"its patients ({str(known)[:12]}); give the demographic file that it had"
    )
