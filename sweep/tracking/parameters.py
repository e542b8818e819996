"""Settings as parameters of MLflow's runs, under names and with values that it takes, whatever a network's keys are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LONGEST_NAME = 250
LONGEST_VALUE = 6000
REFUSED = re.compile(r"[^\w.\- :]")
"""What a name must be without. MLflow takes a slash, but not in every place."""


def parameters(settings: Mapping[str, Any]) -> dict[str, str]:
    """Write settings by dotted field as MLflow's parameters; long values are cut, with `...` at their end.

    Of two fields that come to the same name, the later is there.
    """
    return {parameter_name(path): _shortened(str(value)) for path, value in settings.items()}


def parameter_name(path: str) -> str:
    """Name the parameter of a dotted field: as it is, with `_` for each sign that MLflow refuses, cut where too long."""
    return REFUSED.sub("_", path)[:LONGEST_NAME]


def _shortened(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 3]}..."
