"""Where this machine keeps features, and copies of what lies elsewhere, between runs."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder of features and copies: `RESPSWEEP_CACHE`, or `~/.cache/respsweep`."""
    return Path(os.environ.get("RESPSWEEP_CACHE", "~/.cache/respsweep")).expanduser()


def short_hash(place: str | Path) -> str:
    """16 hex digits of SHA-256, the name of a folder that holds local copies of what lies at `place`."""
    return hashlib.sha256(str(place).encode()).hexdigest()[:16]
