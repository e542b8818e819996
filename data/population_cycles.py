"""The cycles of populations: which rows of a table they are, and whether there are enough to train on and to score."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from data.dataset import DataSet
from data.errors import DataError
from data.population import Population, ages_of, in_words, members, written
from data.quantities import counted
from data.recipe_parts import FoldConfig


def patients_of(data: DataSet, population: Population) -> tuple[int, ...] | None:
    """List the patients of a data set who belong to a population, rising; None for `all`.

    Warns of patients without an age, who belong to `all` alone. Raises DataError when no patient of a data set has an
    age.
    """
    if population == "all":
        return None
    ages = ages_of(data)
    patients = {recording.patient for recording in data.recordings}
    if not ages:
        raise DataError(
            f"{data.directory}: population {written(population)}: of no patient an age is known; expected a demographic "
            "file beside ICBHI's recordings, the ages in SPRSound's names, or ages from a reader of your own"
        )
    if unknown := sorted(patients - ages.keys()):
        shown = ", ".join(map(str, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
        warnings.warn(
            f"{data.directory}: {counted(len(unknown), 'patient')} without an age ({shown}) belong to population all "
            "alone",
            stacklevel=2,
        )
    return tuple(sorted(members(population, patients, ages)))


def chosen_rows(
    rows: Int[np.ndarray, " some"], patients: Int[np.ndarray, " cycles"], chosen: Sequence[int] | None
) -> Int[np.ndarray, " kept"]:
    """Keep of some rows those of chosen patients (None: all), given the patient of every cycle."""
    return rows if chosen is None else rows[np.isin(patients[rows], np.asarray(chosen, dtype=np.int64))]


def scored_rows(
    data: DataSet, patients: Int[np.ndarray, " cycles"], rows: Int[np.ndarray, " some"], asked: FoldConfig
) -> Int[np.ndarray, " kept"]:
    """Keep of some rows those whose patients are scored (`folds.population`), given the patient of every cycle."""
    with warnings.catch_warnings(action="ignore"):
        return chosen_rows(rows, patients, patients_of(data, asked.population))


def check_populations(
    trained: Int[np.ndarray, " train"],
    scored: Int[np.ndarray, " validation"],
    population: Population,
    folds: FoldConfig,
    fewest: int,
) -> None:
    """Raise DataError when the populations leave less to train on than `fewest` cycles, or no score to be had.

    `trained` and `scored`: the labels of their cycles, of which 0 is normal. A score needs normal cycles and abnormal
    ones.
    """
    if len(trained) < fewest:
        raise DataError(
            f"population {written(population)}: {counted(len(trained), 'training cycle')} of {in_words(population)}; "
            f"expected at least {fewest}, a batch; take a smaller batch_size or a wider population"
        )
    if len(set((trained == 0).tolist())) < 2:
        kind = "abnormal" if (trained != 0).all() else "normal"
        raise DataError(
            f"population {written(population)}: all {len(trained)} training cycles of {in_words(population)} are "
            f"{kind}; a network has to hear both; take a wider population"
        )
    normal = int((scored == 0).sum())
    if normal in (0, len(scored)):
        where = "the training part" if folds.fold is None else f"fold {folds.fold} of {folds.folds}"
        raise DataError(
            f"folds.population {written(folds.population)}: {where} has {normal} normal and {len(scored) - normal} "
            f"abnormal cycles of {in_words(folds.population)}; a score needs both: take another fold or fewer folds, or "
            "a wider population"
        )
