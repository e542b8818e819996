import difflib
from typing import Annotated, Any

import pytest
from pydantic import Field

from data.fields import FieldsOf, field_paths, hint, nearest_field
from data.settings import Config


class Smoothing(Config):
    kernel_size: int = 5
    sigma: float = 3.0


class Settings(Config):
    smoothing: Smoothing | None = Smoothing()
    batch_size: int = Field(default=16, ge=1)


class Study(Config):
    recipe: Annotated[dict[str, Any], FieldsOf(Settings)] = Field(default_factory=dict)
    seed: int = 0


def test_paths_go_down_into_nested_settings_also_optional_ones() -> None:
    assert field_paths(Settings) == ["smoothing", "smoothing.kernel_size", "smoothing.sigma", "batch_size"]


def test_a_name_as_long_as_a_file_is_compared_with_none(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    ratio = difflib.SequenceMatcher.ratio
    monkeypatch.setattr(difflib.SequenceMatcher, "ratio", lambda self: compared.append(self) or ratio(self))
    assert nearest_field(Settings, "batch_sizes") == "batch_size"
    assert compared
    compared.clear()
    assert nearest_field(Settings, "batch_size" * 10_000) is None
    assert hint(Settings, f"smoothing.{'k' * 100_000}").startswith("; ")
    assert not compared


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("smoothing.kernel_sise", "smoothing.kernel_size"),
        ("batchsize", "batch_size"),
        ("kernel_size", "smoothing.kernel_size"),
        ("smoothing_sigma", "smoothing.sigma"),
        ("smothing.sgma", "smoothing.sigma"),
        ("smoothing.tau", None),
        ("smoothing.tigma", "smoothing.sigma"),
        ("colour", None),
    ],
)
def test_a_mistaken_path_has_a_nearest_field(written: str, meant: str | None) -> None:
    assert nearest_field(Settings, written) == meant


def test_fields_that_another_class_checks_are_found_where_they_are_to_be_written() -> None:
    assert field_paths(Study)[:2] == ["recipe", "recipe.smoothing"]
    assert nearest_field(Study, "batch_size") == "recipe.batch_size"
    assert nearest_field(Study, "smoothing.sigma") == "recipe.smoothing.sigma"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("sigma", "; did you mean smoothing.sigma?"),
        ("smoothing.tau", "; smoothing has kernel_size, sigma"),
        ("colour", "; there are smoothing, batch_size"),
        ("paint.colour", ""),
        ("sigmo", "; did you mean smoothing.sigma?"),
        ("smoothing_sigma", "; did you mean smoothing.sigma?"),
        ("smoothin", "; did you mean smoothing?"),
        ("batch", "; did you mean batch_size?"),
    ],
)
def test_a_hint_names_the_nearest_field_or_those_beside(written: str, said: str) -> None:
    assert hint(Settings, written) == said


class Budget(Config):
    configurations: int | None = None
    gpu_hours: float | None = None
    wall: float | None = None


class Finishes(Config):
    configuration: int
    study: str
    gpu_hour: float
    wall_clock: float


class Search(Config):
    budget: Budget = Budget()
    finishes: Finishes | None = None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("budget.configuration", "budget.configurations"),
        ("budget.gpu_hour", "budget.gpu_hours"),
        ("finishes.configurations", "finishes.configuration"),
        ("finishes.gpu_hours", "finishes.gpu_hour"),
        ("finish", "finishes"),
        ("finishes.wall", "finishes.wall_clock"),
        ("budget.study", "finishes.study"),
        ("configurations", "budget.configurations"),
    ],
)
def test_a_field_of_the_same_part_is_nearer_than_one_that_is_called_just_so_elsewhere(
    written: str, meant: str
) -> None:
    assert hint(Search, written) == f"; did you mean {meant}?"
