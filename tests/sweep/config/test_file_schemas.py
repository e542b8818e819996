"""The schemas of files take what is read, short forms included, and mark what is refused."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from data.settings import ConfigError, parse, read_yaml
from model.training.recipe import Recipe
from sweep.config.file_schemas import recipe_schema, study_schema
from sweep.config.parameters import IntParameter
from sweep.config.search_arguments import PRUNER_ARGUMENTS, SAMPLER_ARGUMENTS
from sweep.config.study_config import StudyConfig
from tests.studies import TINY_RECIPE, tiny_study

ROOT = Path(__file__).parents[3]
STUDY, RECIPE = Draft7Validator(study_schema()), Draft7Validator(recipe_schema())
STAGE = {"type": "categorical", "choices": [None, 0, 1]}
WIDTH = {"type": "categorical", "choices": [16, 32]}


def own_network(search: dict[str, Any], **other: object) -> dict[str, Any]:
    """A study of a network that is not ours."""
    recipe = {
        "backbone": {"name": "lab.nets:Recurrent"},
        "smoothing": {"stage": None},
        "patch_mix": {"axes": []},
    }
    return tiny_study(1, recipe=recipe, search=search, **other)


def example() -> Any:
    text = (ROOT / "docs" / "study_file.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    return yaml.safe_load(found.replace("1e-", "1.0e-"))


def test_schemas_are_schemas() -> None:
    for validator in (STUDY, RECIPE):
        Draft7Validator.check_schema(validator.schema)


@pytest.mark.parametrize("path", sorted((ROOT / "search_spaces").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_studies_fit_the_schema_that_their_first_line_names(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../docs/schema/study.json"
    assert (path.parent / first.partition("=")[2]).is_file()
    assert [error.message for error in STUDY.iter_errors(read_yaml(path))] == []


@pytest.mark.parametrize(
    "study",
    [
        example(),
        tiny_study(1),
        StudyConfig.model_validate(tiny_study(1)).resolved().model_dump(mode="json"),
        tiny_study(1, sampler="random", pruner="median", racing="none"),
        tiny_study(1, pruner={"name": "median", "arguments": {"n_startup_trials": 3}}),
        tiny_study(1, pruner={"name": "patient", "arguments": {"wrapped_pruner": {"name": "median"}}}),
        tiny_study(1, sampler={"arguments": {"multivariate": True}}),
        tiny_study(1, objective=["sensitivity", "specificity"], task="icbhi", data="/data/ICBHI"),
        tiny_study(
            1, search={"smoothing": {"stage": STAGE, "sigma": {"type": "float", "low": 1, "high": 2}}}
        ),
        tiny_study(1, search={"smoothing.stage": STAGE}, enqueue=[{"smoothing.stage": None}]),
        own_network({"backbone.config.width": WIDTH}),
        own_network({"backbone.config.width": WIDTH}, enqueue=[{"backbone.config.width": 16}]),
    ],
)
def test_what_is_read_as_a_study_fits_the_schema(study: dict[str, Any]) -> None:
    StudyConfig.model_validate(study)
    assert [error.message for error in STUDY.iter_errors(study)] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"sede": [1]},
        {"seeds": []},
        {"seeds": 3},
        {"recipe": {"epoch": 3}},
        {"recipe": {"backbone": {"variant": "huge"}}},
        {"recipe": {"backbone": {"name": "dense net"}}},
        {"search": {"patch_mix.temprature": {"type": "float", "low": 0.1, "high": 0.2}}},
        {"search": {"patch_mix": {"temprature": {"type": "float", "low": 0.1, "high": 0.2}}}},
        {"search": {"patch_mix.temperature": {"type": "float", "low": 0.1}}},
        {"search": {"patch_mix.temperature": {"min": 0.1, "max": 0.2}}},
        {"search": {"folds.fold": {"type": "int", "low": 0, "high": 4}}},
        {"enqueue": [{"patch_mix.temperature": "warm"}]},
        {"sampler": "tpee"},
        {"sampler": {"name": "gp", "arguments": {"n_ei_candidates": 3}}},
        {"sampler": {"arguments": {"popsize": 3}}},
        {"pruner": {"name": "none", "arguments": {"p": 0.1}}},
        {"pruner": {"name": "patient", "arguments": {"wrapped_pruner": {"name": "hasty"}}}},
        {"pruner": None},
        {"racing": {"name": "contenders", "p": 0.9}},
        {"racing": "halving"},
        {"task": "1-3"},
        {"resources": {"cpu": True}},
        {"data": {"patients": 4}},
    ],
    ids=str,
)
def test_what_is_refused_as_a_study_is_marked(changes: dict[str, Any]) -> None:
    study = tiny_study(1, **changes)
    with pytest.raises(ConfigError):
        parse(StudyConfig, study, "study.yaml")
    assert not STUDY.is_valid(study)


@pytest.mark.parametrize(
    ("recipe", "fits"),
    [
        (TINY_RECIPE, True),
        ({"recipe": TINY_RECIPE, "provenance": {"study": "first"}}, True),
        (Recipe().model_dump(mode="json"), True),
        ({"recipe": None}, True),
        ({"epoch": 3}, False),
        ({"recipe": {"epochs": 0}}, False),
        ({"smoothing": {"sigma": "wide"}}, False),
    ],
)
def test_recipes_are_told_from_what_is_none(recipe: dict[str, Any], fits: bool) -> None:
    assert RECIPE.is_valid(recipe) == fits


def test_each_sampler_and_pruner_has_its_arguments_and_each_field_its_meaning() -> None:
    definitions = study_schema()["$defs"]
    for kind in (*SAMPLER_ARGUMENTS.values(), *PRUNER_ARGUMENTS.values()):
        assert definitions[kind.__name__]["properties"].keys() == kind.model_fields.keys()
    for name, definition in definitions.items():
        for field, content in definition.get("properties", {}).items():
            assert "description" in content, f"{name}.{field}"
    step = definitions["IntParameter"]["properties"]["step"]
    assert step["default"] == IntParameter.model_fields["step"].default
