"""Writes what follows from the models of settings: `docs/settings.md`, and the JSON Schemas in `docs/schema/`."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import yaml

from sweep.config.file_schemas import recipe_schema, schema_text, study_schema

ROOT = Path(__file__).parents[1]
Schema = dict[str, Any]

OPENING = """# Settings

Every field of a study file and of a recipe, with the values that it may have, its default and what
it means. [docs/study_file.md](study_file.md) shows a whole file and says how its parts work
together; `respsweep check FILE` says what is wrong with one. A search varies any field under
[Recipe](#recipe) but those of `folds`, `selection`, `min_sensitivity` and `sharpness_rho`.

This page is made of the models that read the files, by `tools/settings_docs.py`.
"""
PARAMETERS = """
## Parameters

Under `search`, each field has a parameter of one of three types.
"""
ENQUEUE = """
## Enqueue

A point under `enqueue` names a value for each searched field whose condition holds, within what is
searched:

```yaml
search:
  smoothing.stage: {type: categorical, choices: [null, 0, 1]}
  smoothing.sigma: {type: float, low: 1.0, high: 5.0, when: smoothing.stage}
enqueue:
  - {smoothing.stage: null}
  - {smoothing.stage: 1, smoothing.sigma: 3.0}
```
"""
EDITORS = """
## In an editor

The files in `docs/schema/` are JSON Schemas of both kinds of file, and so is what `respsweep schema
study` and `respsweep schema recipe` print. Editors that know YAML complete names and values with
them, show what a field means, and mark what cannot be, once a file begins with where the schema
lies, as the files in `search_spaces/` do:

```yaml
# yaml-language-server: $schema=../docs/schema/study.json
```
"""
TYPES = {"boolean": "`true`, `false`", "string": "text", "null": "`null`"}
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
    "maximum": "at most",
}
BELOW = {
    "backbone": {"lora": "LoRAConfig"},
    "features": {
        "bands": "BandChoice",
        "bands.ranking": "BandRanking",
        "bands.ranking.scale": "MelScale",
        "bands.ranking.rounds": "RankingRound",
    },
}
"""Groups of settings inside those of a recipe, and their definitions in the schema."""
UNBOUNDED = 1e9
"""From here on a bound only guards against slips, and is not worth a reader's time."""


def files() -> dict[Path, str]:
    """Make the text of each file, by its place."""
    study, recipe = study_schema(), recipe_schema()
    return {
        ROOT / "docs" / "settings.md": settings_page(study),
        ROOT / "docs" / "schema" / "study.json": f"{schema_text(study)}\n",
        ROOT / "docs" / "schema" / "recipe.json": f"{schema_text(recipe)}\n",
    }


def settings_page(study: Schema) -> str:
    """Write the page of all settings, from the schema of a study file."""
    definitions = study["$defs"]
    parts = [OPENING, "## Study file\n", _table(study)]
    parts += _group("data", definitions["SyntheticConfig"])
    for name in ("sampler", "pruner"):
        definition = definitions[f"{name.title()}Config"]
        parts += [*_group(name, definition), *_arguments(name, definition, definitions)]
    parts += _group("racing", definitions["ContendersConfig"])
    for name in ("budget", "budget.until", "resources", "finishes", "crosses"):
        parts += _group(name, definitions[f"{name.rpartition('.')[2].title()}Config"])
    parts.append(PARAMETERS.rstrip())
    for name in ("float", "int", "categorical"):
        parts += _group(name, definitions[f"{name.title()}Parameter"], "###")
    recipe = recipe_schema()["$defs"]["Recipe"]
    parts += [ENQUEUE, "## Recipe\n", _prose(recipe), _table(recipe)]
    for name, field in recipe["properties"].items():
        if "$ref" in field:
            parts += _group(name, _definition(field["$ref"], definitions), "###")
        for below, definition in BELOW.get(name, {}).items():
            parts += _group(f"{name}.{below}", definitions[definition], "###")
    return "\n".join([*parts, EDITORS])


def _group(name: str, definition: Schema, heading: str = "##") -> list[str]:
    return [f"\n{heading} {name}\n", _prose(definition), _table(definition)]


def _arguments(name: str, definition: Schema, definitions: Schema) -> list[str]:
    """Write a table for the arguments of each sampler or pruner; those that take none are named in one line."""
    parts, without = [], []
    for rule in definition["allOf"]:
        chosen = rule["if"]["properties"]["name"]["const"]
        arguments = _definition(rule["then"]["properties"]["arguments"]["$ref"], definitions)
        if arguments["properties"]:
            parts += [f"\n### {name}.arguments of {chosen}\n", _table(arguments)]
        else:
            without.append(f"`{chosen}`")
    return [*parts, f"\nWithout arguments: {', '.join(without)}."]


def _definition(reference: str, definitions: Schema) -> Schema:
    return definitions[reference.rpartition("/")[2]]


def _prose(definition: Schema) -> str:
    """Write the description of a group as paragraphs of at most 100 columns."""
    paragraphs = definition["description"].split("\n\n")
    return (
        "\n\n".join(
            textwrap.fill(" ".join(each.split()), 100, break_long_words=False, break_on_hyphens=False)
            for each in paragraphs
        )
        + "\n"
    )


def _table(settings: Schema) -> str:
    """Write a table of the fields of some settings: name, what it may be, default, meaning."""
    rows = ["| field | may be | default | meaning |", "|---|---|---|---|"]
    for name, field in settings["properties"].items():
        required = "required" if name in settings.get("required", ()) else ""
        default = f"`{_yaml(field['default'])}`" if "default" in field else required
        meaning = field.get("description", f"see [{name}](#{name})").partition("\n\n")[0]
        cells = (f"`{name}`", _may_be(field), default, " ".join(meaning.split()))
        rows.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(rows)


def _may_be(field: Schema) -> str:
    """Write what a field may be: `whole number, at least 1`; a group of settings is called one."""
    if "anyOf" in field or "oneOf" in field:
        kinds = [_may_be(option) for option in field.get("anyOf") or field["oneOf"]]
        return "; or ".join(dict.fromkeys(kinds))
    if "enum" in field or "const" in field:
        return ", ".join(f"`{_yaml(value)}`" for value in field.get("enum", [field.get("const")]))
    match field.get("type"):
        case "integer" | "number" as kind:
            bounds = [
                f"{word} {field[bound]:,g}" if abs(field[bound]) < 1e6 else f"{word} {field[bound]:,.0f}"
                for bound, word in BOUNDS.items()
                if abs(field.get(bound, UNBOUNDED)) < UNBOUNDED
            ]
            return ", ".join(["whole number" if kind == "integer" else "number", *bounds])
        case "array":
            return _list(field)
        case "object" | None:
            return "settings"
        case kind:
            return TYPES[kind]


def _list(field: Schema) -> str:
    items = field["items"]
    if isinstance(items, list):
        if all("const" in item for item in items):
            return f"`[{', '.join(item['const'] for item in items)}]`"
        return f"list of {len(items)}, each: {'; or '.join(dict.fromkeys(map(_may_be, items)))}"
    if items.get("type") == "object":
        return "list of points"
    return "list of values" if len(items.get("anyOf", [])) > 3 else f"list, each: {_may_be(items)}"


def _yaml(value: Any) -> str:
    return re.sub(r"\n\.\.\.\n?$", "", yaml.safe_dump(value, default_flow_style=True, width=10_000)).strip()


def main() -> None:
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
