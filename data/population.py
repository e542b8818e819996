"""Populations by age: whose cycles a network is trained on, is scored on, and answers to. Free of torch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from data.patients import Patient

if TYPE_CHECKING:
    from data.dataset import DataSet

Ages = tuple[float, float]
"""The least and the greatest age in years that a patient may have; equal where the age is known."""

ADULT_FROM = 18
"""Years from which a patient is an adult; no patient of ICBHI is 17 or 18, so that 17 and 19 would be the same."""
OLDEST = 150.0
"""Years that nobody lives to."""
OF_ADULTS = frozenset({"COPD"})
"""Diagnoses that adults alone have: they stand in for an age that is missing."""
ADULTS_OF_ICBHI = frozenset({223})
"""Patients of ICBHI 2017 whose age is missing and who are adults: 223 has COPD."""

Years = Annotated[float, Field(ge=0, le=OLDEST)]


def _is_a_range(ages: tuple[float, float]) -> tuple[float, float]:
    low, high = ages
    if low >= high:
        raise ValueError(f"must be [low, high] in years, low below high, got [{low:g}, {high:g}]")
    return ages


AgeRange = Annotated[tuple[Years, Years], AfterValidator(_is_a_range)]
"""From the first age in years on, up to but without the second."""
Population = Literal["all", "child", "adult"] | AgeRange
"""Everybody; patients below 18 years; of 18 years or more; or from one age to below another."""


def as_population(value: Any) -> Population:
    """Take a valid population as a search space or JSON holds it: a list, or whole numbers, stand for a range."""
    return (float(value[0]), float(value[1])) if isinstance(value, list | tuple) else value


def limits(population: Population) -> Ages:
    """Tell the ages of a population in years: from the first on, to below the second. Of `all`: any age."""
    if population == "all":
        return (0.0, math.inf)
    if population == "child":
        return (0.0, float(ADULT_FROM))
    if population == "adult":
        return (float(ADULT_FROM), math.inf)
    low, high = population
    return (low, high if high < OLDEST else math.inf)


def belongs(population: Population, ages: Ages | None) -> bool:
    """Whether a patient who may have these ages belongs to a population; without an age (None) only to `all`."""
    if population == "all":
        return True
    low, high = limits(population)
    return ages is not None and low <= ages[0] and ages[1] < high


def covers(population: Population, other: Population) -> bool:
    """Whether everybody of the `other` population belongs to this one."""
    if population == "all" or other == "all":
        return population == "all"
    (low, high), (others_low, others_high) = limits(population), limits(other)
    return low <= others_low and others_high <= high


def in_words(population: Population) -> str:
    """Name a population for people: `children (under 18 years)`."""
    if population == "all":
        return "patients of any age"
    if population == "child":
        return f"children (under {ADULT_FROM} years)"
    if population == "adult":
        return f"adults ({ADULT_FROM} years or more)"
    return f"patients of {population[0]:g} to under {population[1]:g} years"


def written(population: Population) -> str:
    """Write a population as a study file does: `child`, `[0, 5]`."""
    return population if isinstance(population, str) else f"[{population[0]:g}, {population[1]:g}]"


def ages_of(data: DataSet) -> dict[int, Ages]:
    """Tell what is known of the age of each patient who has recordings; those of whom nothing is are left out.

    The age is the one that the data set gives, at a patient's first recording. Where it gives none, a patient with a
    diagnosis that adults alone have (`OF_ADULTS`), and patient 223 of ICBHI 2017, is 18 years or more.
    """
    icbhi = data.published is not None and data.published.name == "ICBHI 2017"
    found: dict[int, Ages] = {}
    for number in sorted({recording.patient for recording in data.recordings}):
        patient = data.patients.get(number, Patient())
        if patient.age_years is not None:
            found[number] = (patient.age_years, patient.age_years)
        elif patient.diagnosis in OF_ADULTS or (icbhi and number in ADULTS_OF_ICBHI):
            found[number] = (float(ADULT_FROM), OLDEST)
    return found


def members(population: Population, patients: Collection[int], ages: Mapping[int, Ages]) -> frozenset[int]:
    """Choose those of some patients who belong to a population, given what is known of their ages."""
    return frozenset(patient for patient in patients if belongs(population, ages.get(patient)))


def ages_hash(ages: Mapping[int, Ages]) -> str:
    """SHA-256 (hex) of what is known of the ages of patients; recordings and annotations have a hash of their own."""
    content = [[patient, *ages[patient]] for patient in sorted(ages)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
