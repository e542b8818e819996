"""Sections of `benchmarks/gpu_check.py` about the machine: what works there, and the tests that want a GPU."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from gpu_found import Found, NotHereError

ROOT = Path(__file__).parents[1]


def doctor(device: torch.device) -> Found:
    """Show what `respsweep doctor` says, where its packages are."""
    from sweep.machine.doctor import examine

    with tempfile.TemporaryDirectory() as studies:
        checks = examine(studies)
    for check in checks:
        print(f"  {'BROKEN ' if check.broken else ''}{check.what}: {check.found}")
    broken = [check.what for check in checks if check.broken]
    return Found(f"{len(checks)} looked at" + (f", broken: {', '.join(broken)}" if broken else ""))


def tests(device: torch.device) -> Found:
    """Run the tests that are marked `gpu`, where pytest is."""
    if importlib.util.find_spec("pytest") is None:
        raise NotHereError("pytest is not installed")
    words = ["-m", "gpu", "-q", "-p", "no:cacheprovider", "tests/model", "tests/data", "tests/sweep/machine"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    print(done.stdout[-3000:], done.stderr[-1000:])
    last = done.stdout.strip().splitlines()[-1:] or ["nothing was printed"]
    if done.returncode not in (0, 5):
        raise AssertionError(last[0])
    # Where there is a GPU, tests that are all skipped have proved nothing.
    if device.type == "cuda" and " passed" not in last[0]:
        raise AssertionError(f"no test ran: {last[0]}")
    return Found(last[0].strip("= "))
