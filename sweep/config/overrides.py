"""Settings given beside a study file, by dotted field: `budget.gpu_hours=8`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from data.settings import ConfigError


def overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """Read settings by dotted field from words `FIELD=VALUE`, the value in YAML. Raises ConfigError for other words."""
    found = {}
    for assignment in assignments:
        field, equals, value = assignment.partition("=")
        if not equals or not field:
            raise ConfigError(f"--set {assignment}: write FIELD=VALUE, e.g. budget.gpu_hours=8")
        try:
            found[field] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {assignment}: {value} is no YAML value") from error
    return found


def override(content: dict[str, Any], settings: Mapping[str, Any]) -> None:
    """Put `settings`, by dotted field, into the content of a study file in place of what it says.

    Raises ConfigError for a searched field: its own name has dots, so a dotted name would have two meanings.
    """
    for field, value in settings.items():
        if field.startswith("search."):
            raise ConfigError(f"{field}: what is searched is named with dots itself; edit the study file")
        *groups, last = field.split(".")
        target = content
        for group in groups:
            if not isinstance(target.get(group), dict):
                target[group] = {}
            target = target[group]
        target[last] = value
