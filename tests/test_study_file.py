"""docs/study_file.md names every field of a study file, with its default and the values it may have."""

import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from data.fields import field_paths, members, nested_settings
from data.settings import parse
from sweep.config.overrides import overrides
from sweep.config.parameters import CategoricalParameter, FloatParameter, IntParameter
from sweep.config.resumption import FIXED
from sweep.config.search_arguments import PRUNER_ARGUMENTS, SAMPLER_ARGUMENTS
from sweep.config.space_checks import SCORING_FIELDS
from sweep.config.study_config import StudyConfig, read_study

TEXT = (Path(__file__).parents[1] / "docs" / "study_file.md").read_text(encoding="utf-8")
PARAMETERS = {"float": FloatParameter, "int": IntParameter, "categorical": CategoricalParameter}


def rows_under(heading: str) -> list[list[str]]:
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in rows]


def leaves(settings: type[BaseModel], group: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every field of a study file that is no group of fields, by dotted name; of a union, all members' fields."""
    for name, field in settings.model_fields.items():
        below = nested_settings(field.annotation)
        if not below or len(members(field.annotation)) > len(below):
            yield f"{group}{name}", field
        for nested in below:
            yield from leaves(nested, f"{group}{name}.")


def default_of(field: FieldInfo) -> Any:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return list(value) if isinstance(value, tuple) else value


def literals(annotation: Any) -> set[str]:
    """Every word that a field of this annotation may be."""
    return {
        word
        for member in members(annotation)
        if typing.get_origin(member) is typing.Literal
        for word in typing.get_args(member)
    }


LEAVES = [(name, field) for name, field in leaves(StudyConfig) if name != "racing.name"]


def test_the_table_has_every_field_of_a_study_file_and_no_other() -> None:
    named = [row[0].strip("`") for row in rows_under("Fields")]
    assert sorted(named) == sorted({name for name, _ in LEAVES} | {"racing.name"})
    assert set(named) <= set(field_paths(StudyConfig))


@pytest.mark.parametrize(("name", "field"), LEAVES, ids=[name for name, _ in LEAVES])
def test_the_table_has_the_default_of_a_field_and_the_words_that_it_may_be(
    name: str, field: FieldInfo
) -> None:
    rows = {row[0].strip("`"): row for row in rows_under("Fields")}
    _, default, meaning = rows[name]
    assert yaml.safe_load(default.strip("`")) == default_of(field)
    assert literals(field.annotation) <= set(re.findall(r"\w+", meaning))


def test_the_table_names_the_arguments_of_each_sampler_and_of_our_own_pruner() -> None:
    rows = {row[0].strip("`"): row[2] for row in rows_under("Fields")}
    _, _, told = rows["sampler.arguments"].partition(": ")
    named = {part.split()[0]: set(re.findall(r"`(\w+)`", part)) for part in told.split("; ")}
    assert named == {name: {*kind.model_fields} for name, kind in SAMPLER_ARGUMENTS.items()}
    own = rows["pruner.arguments"].removeprefix("forecast: ").partition(". ")[0]
    assert dict(re.findall(r"`(\w+)` \(([\d.]+)\)", own)) == {
        name: str(field.default) for name, field in PRUNER_ARGUMENTS["forecast"].model_fields.items()
    }


def test_the_race_begins_as_the_table_says_and_has_no_other_rule() -> None:
    (row,) = (row for row in rows_under("Fields") if row[0] == "`racing.name`")
    rules = [field for name, field in leaves(StudyConfig) if name == "racing.name"]
    words = {word for field in rules for word in literals(field.annotation)}
    assert words <= set(re.findall(r"\w+", row[2]))
    assert row[1] == f"`{StudyConfig.model_fields['racing'].default.name}`"


@pytest.mark.parametrize("kind", PARAMETERS)
def test_the_table_has_every_field_of_a_parameter_with_its_default(kind: str) -> None:
    told = {row[1].strip("`"): row[2].strip("`") for row in rows_under("Parameters") if row[0] == f"`{kind}`"}
    fields = {name: field for name, field in PARAMETERS[kind].model_fields.items() if name != "type"}
    assert {name: yaml.safe_load(default) for name, default in told.items()} == {
        name: default_of(field) for name, field in fields.items()
    }


def test_the_example_is_a_study_that_shows_every_group_and_type(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "study.yaml").write_text(example, encoding="utf-8")
    config = read_study(tmp_path / "study.yaml")
    assert {parameter.type for parameter in config.search.values()} == set(PARAMETERS)
    shown = {
        "data",
        "recipe",
        "search",
        "enqueue",
        "seeds",
        "sampler",
        "pruner",
        "racing",
        "budget",
        "resources",
    }
    assert set(yaml.safe_load(example)) == shown


def test_settings_on_the_command_line_are_as_the_page_writes_them(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "study.yaml").write_text(example, encoding="utf-8")
    assignments = [
        quoted or plain for quoted, plain in re.findall(r"--set (?!FIELD)(?:'([^']+)'|(\S+?=[^\s`]+))", TEXT)
    ]
    config = read_study(tmp_path / "study.yaml", overrides(assignments))
    assert (config.budget.wall_clock, config.recipe["epochs"], config.seeds) == (8, 10, (1, 2))


def test_fields_that_are_not_searched_are_named() -> None:
    named = TEXT.split("say how a configuration is scored")[1].split(")")[0]
    assert tuple(re.findall(r"`(\w+)`", named)) == SCORING_FIELDS


def test_what_stays_as_it_began_is_named() -> None:
    named = TEXT.split("When a study is resumed,")[1].split("stay")[0]
    assert set(re.findall(r"`(\w+)`", named)) == set(FIXED)


def test_a_study_of_the_shortest_file_has_the_defaults_of_the_table() -> None:
    config = parse(
        StudyConfig, {"search": {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2}}}, "study"
    )
    rows = {row[0].strip("`"): row[1].strip("`") for row in rows_under("Fields")}
    assert (config.budget.configurations, rows["budget.configurations"]) == (20, "null")
    assert config.sampler.name == rows["sampler.name"]
    assert config.pruner.name == rows["pruner.name"]
