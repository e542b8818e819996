"""What a setting must be, in the words of a study file rather than those of Python's types."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from data.fields import members, nested_settings

_NUMBERS = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "none_required": "must be null",
}
_SETTINGS = ("dict_type", "mapping_type", "model_type", "model_attributes_type")
_SHOWN = 3
"""Fields that an example of settings names."""


def wanted(annotation: Any, problem: Mapping[str, Any]) -> str:
    """Say what a field of this annotation must be, for a `problem` that pydantic found with its value."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in ("tuple_type", "list_type"):
        return f"must be a list such as {_list(annotation)}"
    if kind in _SETTINGS:
        return f"must be settings such as {_settings(annotation)}"
    if kind in ("too_short", "too_long"):
        bound, limit = ("least", "min_length") if kind == "too_short" else ("most", "max_length")
        entries = "entry" if context[limit] == 1 else "entries"
        return f"must have at {bound} {context[limit]} {entries}"
    must = _NUMBERS.get(kind, re.sub("^Input should be", "must be", problem["msg"]))
    return f"{must} or null" if kind in _NUMBERS and _admits_null(annotation) and "null" not in must else must


def advice(annotation: Any, value: Any) -> str:
    """What to write where a `value` was meant that YAML reads otherwise; opens with a semicolon, empty for others."""
    if _admits_null(annotation) and (value is False or str(value).lower() in _NOTHING):
        return "; write null for none"
    found = _BASE_60.fullmatch(value) if isinstance(value, str) else None
    if found and {int, float} & {*members(annotation)}:
        value_in_units = int(found[1]) + int(found[2]) / 60 + int(found[3] or 0) / 3600
        return f"; write {value_in_units:g} for {value}"
    return ""


_NOTHING = ("off", "no", "none", "false", "nothing", "nil")
_BASE_60 = re.compile(r"(\d{1,9}):([0-5]\d)(?::([0-5]\d))?", re.ASCII)


def _admits_null(annotation: Any) -> bool:
    return type(None) in typing.get_args(annotation)


def _list(annotation: Any) -> str:
    """An example of a list, as YAML writes it: `[1, 2, 3]` for whole numbers."""
    found = next(
        (member for member in members(annotation) if typing.get_origin(member) in (tuple, list)), None
    )
    inner = typing.get_args(found)
    if len(inner) > 1 and inner[-1] is not Ellipsis:
        return f"[{', '.join(_entry(place, item) for place, item in enumerate(inner))}]"
    item = members(inner[0])[0] if inner else Any
    if item in (int, float):
        return "[1, 2, 3]" if item is int else "[0.1, 0.2]"
    if typing.get_origin(item) is Literal:
        return f"[{', '.join(map(str, typing.get_args(item)[:_SHOWN]))}]"
    return f"[{_value(item)}, ...]"


def _entry(place: int, annotation: Any) -> str:
    """A word for an entry of a list with a place for each: numbers count up."""
    return str(place) if members(annotation)[0] in (int, float) else _value(annotation)


def _settings(annotation: Any) -> str:
    """An example of settings, as YAML writes them: fields that must be given, or else the first ones."""
    classes = nested_settings(annotation)
    if not classes:
        return "{name: value}"
    fields = classes[0].model_fields
    required = {name: field for name, field in fields.items() if field.is_required()}
    shown = [*(required or fields).items()][:_SHOWN]
    return f"{{{', '.join(f'{name}: {_value(field.annotation)}' for name, field in shown)}}}"


def _value(annotation: Any) -> str:
    """A word for a value of this annotation: the first one allowed, or dots."""
    member = members(annotation)[0]
    if typing.get_origin(member) is Literal:
        return str(typing.get_args(member)[0])
    if isinstance(member, type) and issubclass(member, BaseModel):
        return _settings(member)
    if typing.get_origin(member) is dict:
        return "{name: value}"
    return "..."
