"""Which cycles of a fold or of a part a study's networks are scored on: those of its population (`folds.population`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from data.dataset import DataSet
from data.folds import Folds
from data.population import ages_hash, ages_of
from data.population_cycles import scored_rows
from data.recipe_parts import FoldConfig
from evidence.bundle import Cycles


def validated_rows(
    recordings: DataSet, cycles: Cycles, folds: Folds, asked: FoldConfig, fold: int | None = None
) -> np.ndarray:
    """List the rows of the training part's `cycles` that are scored in a fold, by default the one that is asked for."""
    held_out = folds.split(cycles.patients, asked.fold if fold is None else fold)[1]
    return scored_rows(recordings, cycles.patients, held_out, asked)


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
