"""JSON that somebody else may have written: read, or refused in one way."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Read JSON as the standard defines it. Raises ValueError for all else: NaN, what is no text, great depth."""
    try:
        content = json.loads(text, parse_constant=_refuse)
        # Half a character, which JSON can write down, and no file or terminal takes.
        if "\\ud" in (text if isinstance(text, str) else text.decode()).lower():
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return content


def check_sum(content: Any) -> str:
    """SHA-256 (hex) of what can be written as JSON; the order of keys does not count."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")
