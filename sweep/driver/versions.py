"""Which code this is: versions of respsweep and of what it rests on, and the commit. Needs no library."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

PACKAGES = ("respsweep", "torch", "torchaudio", "ray", "optuna", "mlflow", "numpy")
SHOWN = ("torch", "ray", "optuna", "mlflow")


def versions() -> dict[str, str]:
    """List the versions of respsweep and of what its numbers rest on, by package."""
    return {package: importlib.metadata.version(package) for package in PACKAGES}


def commit() -> str | None:
    """Find the commit of the clone this runs from, with `-dirty` when files differ from it; None outside a clone."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()


def described() -> str:
    """Say in two lines which respsweep this is, and what it runs on."""
    found, of = versions(), commit()
    code, _, dirty = (of or "").partition("-")
    changed = ", with changes" if dirty else ""
    where = f", commit {code[:12]}{changed}" if code else ""
    parts = [f"Python {platform.python_version()}", *(f"{package} {found[package]}" for package in SHOWN)]
    return f"respsweep {found['respsweep']}{where}\n{', '.join(parts)}"
