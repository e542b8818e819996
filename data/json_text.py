"""JSON that somebody else may have written: read, or refused in one way."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Read JSON as the standard defines it. Raises ValueError for all else: NaN, bytes that are no text, great depth."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def check_sum(content: Any) -> str:
    """SHA-256 (hex) of what can be written as JSON; the order of keys does not count."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")
