"""Settings given beside a study file, by dotted field: `budget.gpu_hours=8`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel

from data.settings import ConfigError, read_yaml_value
from sweep.config.other_words import NAMED


def overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """Read settings by dotted field from words `FIELD=VALUE`, the value in YAML. Raises ConfigError for other words."""
    found = {}
    for assignment in assignments:
        field, equals, value = assignment.partition("=")
        if not equals or not field:
            raise ConfigError(f"--set {assignment}: write FIELD=VALUE, e.g. budget.gpu_hours=8")
        found[field] = read_yaml_value(value, f"--set {assignment}")
    return found


def override(content: dict[str, Any], settings: Mapping[str, Any]) -> None:
    """Put `settings`, by dotted field, into the content of a study file in place of what it says.

    Where the file gives the name alone of a sampler, pruner or race, a setting within that leaves the name. Numbers of
    NumPy become plain ones, as the study is written to files. Raises ConfigError for a value that is none of YAML's, and
    for a searched field: its own name has dots, so a dotted name would have two meanings.
    """
    for field, value in settings.items():
        if field.startswith("search."):
            raise ConfigError(f"{field}: --set does not change what is searched; edit the study file")
        *groups, last = field.split(".")
        target = content
        for group in groups:
            said = target.get(group)
            if not isinstance(said, dict):
                named = target is content and group in NAMED and isinstance(said, str)
                target[group] = {"name": said} if named else {}
            target = target[group]
        target[last] = _plain(value, field)


def _plain(value: Any, field: str) -> Any:
    """Copy a value with NumPy's numbers and arrays made Python's own."""
    match value:
        case np.generic() | np.ndarray():
            return _plain(value.tolist(), field)
        case dict():
            return {_plain(key, field): _plain(inner, field) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner, field) for inner in value]
        case None | bool() | int() | float() | str() | BaseModel():
            return value
    raise ConfigError(f"{field}: must be a value that YAML has, got {value!r}")
