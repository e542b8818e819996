"""The cycles of official parts as a bundle holds them: labels, patients, and what they may be grouped by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.dataset import DataSet
from data.folds import Folds, make_folds
from data.recipe_parts import FoldConfig
from evidence.bundle import Cycles

AGE_GROUPS = (
    (0, 6, "0 to 5"),
    (6, 13, "6 to 12"),
    (13, 18, "13 to 17"),
    (18, 65, "18 to 64"),
    (65, 200, "65 and over"),
)
"""Years from, below, and the name of the group."""


def cycles_of(data: DataSet, parts: Sequence[str]) -> Cycles:
    """List the cycles of some official parts, in the order in which a feature store of each part has them.

    They are grouped by device, by site on the chest, and by sex and age of the patient; what is not known is empty.
    """
    rows = [
        (part, recording, position, cycle.label)
        for part in parts
        for recording in data.part(part)
        for position, cycle in enumerate(recording.cycles)
    ]
    people = [data.patients.get(recording.patient) for _, recording, _, _ in rows]
    return Cycles(
        labels=np.array([label for *_, label in rows], dtype=np.int64),
        patients=np.array([recording.patient for _, recording, _, _ in rows], dtype=np.int64),
        recordings=tuple(recording.name for _, recording, _, _ in rows),
        positions=np.array([position for _, _, position, _ in rows], dtype=np.int64),
        parts=tuple(part for part, *_ in rows),
        groups={
            "device": tuple(recording.device for _, recording, _, _ in rows),
            "site": tuple(recording.location for _, recording, _, _ in rows),
            "sex": tuple((person and person.sex) or "" for person in people),
            "age": tuple(age_group(person and person.age_years) for person in people),
        },
    )


def folds_of(data: DataSet, cycles: Cycles, config: FoldConfig) -> Folds:
    """Deal the patients of the training part into folds, given its cycles, as a study on these recordings does."""
    return make_folds(
        cycles.patients,
        cycles.labels,
        cycles.groups["device"],
        config,
        task=data.task,
        never_validate=data.never_validate,
    )


def age_group(years: float | None) -> str:
    """Name the group of an age in years; empty when the age is not known."""
    if years is None:
        return ""
    return next((name for low, high, name in AGE_GROUPS if low <= years < high), "")
