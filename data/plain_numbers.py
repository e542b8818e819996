"""Numbers of settings are not read from true and false, where pydantic would take 1 and 0."""

from __future__ import annotations

import functools
from typing import Any

from pydantic_core import PydanticKnownError, core_schema


def refuse_truth_values(model: dict[str, Any]) -> None:
    """Change the schema of a model so that its own numbers are read from no truth value.

    A number is let be in a union that holds truth values. Models in fields have schemas of their own.
    """
    inner = model
    # A model with validators of its own lies in their schemas.
    while inner["type"] != "model-fields":
        inner = inner["schema"]
    for field in inner["fields"].values():
        field["schema"] = _checked(field["schema"])


def _checked(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema["type"]
    if kind in ("int", "float"):
        check = functools.partial(_refuse, f"{kind}_type")
        return dict(core_schema.no_info_before_validator_function(check, schema))  # pyright: ignore[reportArgumentType]
    if kind == "model":
        return schema
    if kind == "union":
        choices = [choice if isinstance(choice, tuple) else (choice, None) for choice in schema["choices"]]
        if any(choice["type"] == "bool" for choice, _ in choices):
            return schema
        # A number keeps its name, by which the place of an error is found.
        named = [
            (_checked(choice), label or choice["type"])
            if choice["type"] in ("int", "float")
            else _checked(choice)
            for choice, label in choices
        ]
        return {**schema, "choices": named}
    changed = {key: _checked(schema[key]) for key in ("schema", "values_schema") if key in schema}
    items = schema.get("items_schema")
    if isinstance(items, list):
        changed["items_schema"] = [_checked(item) for item in items]  # pyright: ignore[reportArgumentType]
    elif items is not None:
        changed["items_schema"] = _checked(items)
    return {**schema, **changed}


def _refuse(complaint: Any, value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticKnownError(complaint)
    return value
