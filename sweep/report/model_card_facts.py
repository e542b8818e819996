"""What a model card tells of networks, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data.population import Population
from data.task import Task
from model.training.recipe import Recipe
from sweep.study.units import Summary


@dataclass(frozen=True)
class Heard:
    """What the networks were trained on: cycles and patients, cycles by label, and by property.

    `groups`: by property (device, site, sex, age) and value how many cycles of how many patients; an empty value where
    the property is not known. `ages_unheard`: names of the age groups that have no cycle.
    """

    cycles: int
    patients: int
    labels: Mapping[str, int]
    groups: Mapping[str, Mapping[str, tuple[int, int]]]
    ages_unheard: tuple[str, ...]


@dataclass(frozen=True)
class Validation:
    """Scores by which the configuration was chosen, of the study that searched.

    `expectation`: a sentence on how it was chosen and how much luck that brings. `tied`: configurations that cannot be
    told from the best. `scored_on`: which patients, in words.
    """

    study: str
    seeds: tuple[int, ...]
    scored_on: str
    metrics: Mapping[str, Summary]
    expectation: str
    tied: tuple[int, ...]


@dataclass(frozen=True)
class TestReading:
    """A reading of the official test part by these very networks, as the ledger has it.

    `number` of the readings of these recordings; `numbers` by part, those of `evidence.reading`, or where the bundle is
    not at hand (`bundle` is None) those that the ledger keeps. `missing`: what of the published data set was not there.
    `population`: whose cycles alone were read.
    """

    __test__ = False  # pytest takes the name for that of a test

    number: int
    at: str
    protocol: str
    bundle: str | None
    numbers: Mapping[str, Any]
    missing: tuple[str, ...] = ()
    population: Population = "all"


@dataclass(frozen=True)
class CardFacts:
    """All that a model card tells, but for the files of weights.

    `heard` is None where the recordings were not at hand, and `unheard` says why. `readings`: how many readings of these
    recordings are known, by whatever networks, broken-off ones included. `faults`: what is wrong with the ledger.
    `label`: what is said of a study that reads the test part at every epoch; None for others.
    """

    study: str
    configuration: int
    finishes: str | None
    task: Task
    recipe: Recipe
    parameters: int
    seeds: tuple[int, ...]
    values: Mapping[str, Any]
    data_name: str
    data_hash: str
    held_out: str | None
    heard: Heard | None
    unheard: str
    validation: Validation | None
    tested: tuple[TestReading, ...]
    readings: int
    faults: tuple[str, ...]
    label: str | None
    commit: str | None
    versions: Mapping[str, str]
