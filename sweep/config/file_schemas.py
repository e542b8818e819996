"""JSON Schemas of study files and recipes, as people write them: for editors, which complete and check with them.

Draft 7, which all editors know. What a schema cannot say (that a value makes a recipe, that conditions can be met) is
said by `respsweep check`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from data.own_code import OWN
from data.settings import Config
from data.task import TASKS
from model.recipe_parts import VARIANTS
from model.training.recipe import Recipe
from sweep.config.search_arguments import PRUNER_ARGUMENTS, SAMPLER_ARGUMENTS, NoArguments
from sweep.config.space_checks import OWN_FIELDS, SCORING_FIELDS, SEARCHED_BANDS
from sweep.config.study_config import StudyConfig
from sweep.config.study_parts import PrunerConfig, SamplerConfig

DRAFT = "http://json-schema.org/draft-07/schema#"
OWN_NAME = {"type": "string", "pattern": f"^{OWN.pattern}$"}
"""What is called `module:Name`: a network or task of the user's own."""
Schema = dict[str, Any]


def study_schema() -> Schema:
    """Make the schema of a study file, short forms included: `pruner: none`, nested searched fields."""
    content, recipe = _schema_of(StudyConfig), _schema_of(Recipe)
    definitions: Schema = {**content.pop("$defs"), **recipe.pop("$defs")}
    fields: Schema = content["properties"]
    searched = {name: field for name, field in recipe["properties"].items() if name not in SCORING_FIELDS}
    fields["recipe"] = {**recipe, "description": fields["recipe"]["description"]}
    definitions["Parameter"] = fields["search"].pop("additionalProperties")
    fields["search"] |= _searched(searched, definitions)
    own_fields = f"^{re.escape(OWN_FIELDS)}."
    fields["search"]["patternProperties"] = {own_fields: {"$ref": "#/$defs/Parameter"}}
    fields["enqueue"]["items"] = {
        "type": "object",
        "properties": dict(_leaves(searched, definitions)),
        "patternProperties": {own_fields: {}},
        "additionalProperties": False,
    }
    fields["task"]["anyOf"] = [{"enum": list(TASKS)}, OWN_NAME, {"type": "null"}]
    _say_arguments(definitions, SamplerConfig, SAMPLER_ARGUMENTS)
    _say_arguments(definitions, PrunerConfig, PRUNER_ARGUMENTS)
    wrapped = definitions["PatientArguments"]["properties"]["wrapped_pruner"]
    wrapped["anyOf"] = [{"$ref": "#/$defs/PrunerConfig"}, {"type": "null"}]
    for name, options in (("sampler", SamplerConfig), ("pruner", PrunerConfig)):
        long_form = {"$ref": f"#/$defs/{options.__name__}"}
        names = definitions[options.__name__]["properties"]["name"]["enum"]
        fields[name] = {**fields[name], "anyOf": [{"enum": names}, long_form]}
        fields[name].pop("$ref")
    fields["racing"]["anyOf"] = [{"enum": ["contenders", "none"]}, *fields["racing"].pop("oneOf")]
    return {"$schema": DRAFT, "title": "a study of respsweep", **content, "$defs": definitions}


def recipe_schema() -> Schema:
    """Make the schema of a recipe file: its fields at the top, or under `recipe` beside where they come from."""
    recipe = _schema_of(Recipe)
    definitions = recipe.pop("$defs")
    exported = {
        "type": "object",
        "properties": {
            "recipe": {"anyOf": [{"$ref": "#/$defs/Recipe"}, {"type": "null"}]},
            "provenance": {"type": "object", "description": "where the recipe comes from, as exported"},
        },
        "required": ["recipe"],
    }
    return {
        "$schema": DRAFT,
        "title": "a recipe of respsweep",
        "if": {"required": ["recipe"]},
        "then": exported,
        "else": {"$ref": "#/$defs/Recipe"},
        "$defs": {**definitions, "Recipe": recipe},
    }


def schema_text(schema: Schema) -> str:
    """Write a schema as it is kept in `docs/schema/`."""
    return json.dumps(schema, indent=1, ensure_ascii=False)


def _schema_of(settings: type[BaseModel]) -> Schema:
    """Take pydantic's schema, in the words of draft 7, and without what only repeats."""
    found: Schema = {"$defs": {}, **_plain(settings.model_json_schema())}
    if settings is Recipe:
        network = found["$defs"]["BackboneConfig"]["properties"]["name"]
        network["anyOf"] = [{"enum": list(VARIANTS)}, OWN_NAME]
        del network["type"]
    return found


def _plain(schema: Any) -> Any:
    """Leave titles and the defaults of whole groups out, and write lists of fixed length as draft 7 does."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain: Schema = {}
    for name, value in schema.items():
        if name == "prefixItems":
            plain["items"] = _plain(value)
        elif (
            name == "discriminator"
            or (name == "title" and isinstance(value, str))
            or (name == "default" and isinstance(value, dict))
        ):
            continue
        elif name in ("default", "enum", "const"):
            plain[name] = value
        else:
            plain[name] = _plain(value)
    return plain


def _fields_below(field: Schema, definitions: Schema) -> Schema | None:
    """The fields of a group of settings; None for a field that is no group."""
    definition = definitions.get(field.get("$ref", "").rpartition("/")[2])
    return None if definition is None else definition.get("properties")


def _leaves(fields: Schema, definitions: Schema, above: str = "") -> list[tuple[str, Schema]]:
    """List the fields that are no groups, by dotted path; of what may be one, also the fields that may be searched."""
    found: list[tuple[str, Schema]] = []
    for name, field in fields.items():
        below = _fields_below(field, definitions)
        path = f"{above}{name}"
        if below is not None:
            found += _leaves(below, definitions, f"{path}.")
            continue
        found.append((path, field))
        for option in field.get("anyOf", ()):
            inner = _leaves(_fields_below(option, definitions) or {}, definitions, f"{path}.")
            found += [leaf for leaf in inner if any(known.endswith(leaf[0]) for known in SEARCHED_BANDS)]
    return found


def _searched(fields: Schema, definitions: Schema) -> Schema:
    """Say which fields may be searched, by dotted path or nested as in a recipe."""
    by_path = {path: _parameter(field) for path, field in _leaves(fields, definitions)}
    groups = {}
    for name, field in fields.items():
        below = _fields_below(field, definitions)
        if below is not None:
            groups[name] = {"type": "object", "minProperties": 1, **_searched(below, definitions)}
    return {"properties": {**groups, **by_path}, "additionalProperties": False}


def _parameter(field: Schema) -> Schema:
    described = {"description": field["description"]} if "description" in field else {}
    return {"allOf": [{"$ref": "#/$defs/Parameter"}], **described}


def _say_arguments(
    definitions: Schema, settings: type[BaseModel], arguments: Mapping[str, type[Config]]
) -> None:
    """Say in the definition of a sampler or pruner which arguments each name takes."""
    definition = definitions[settings.__name__]
    names, default = definition["properties"]["name"]["enum"], settings.model_fields["name"].default
    rules = []
    for name in names:
        kind = arguments.get(name, NoArguments)
        own = _schema_of(kind)
        definitions[kind.__name__] = {key: value for key, value in own.items() if key != "$defs"}
        chosen: Schema = {"properties": {"name": {"const": name}}}
        if name != default:
            chosen["required"] = ["name"]
        rules.append(
            {"if": chosen, "then": {"properties": {"arguments": {"$ref": f"#/$defs/{kind.__name__}"}}}}
        )
    definition["allOf"] = rules
