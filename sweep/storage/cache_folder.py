"""What this machine keeps for itself between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where features, and copies of what lies elsewhere, are kept: `RESPSWEEP_CACHE`, or `~/.cache/respsweep`."""
    return Path(os.environ.get("RESPSWEEP_CACHE", "~/.cache/respsweep")).expanduser()
