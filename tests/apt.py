"""Debian's packages that tests need, brought by one process at a time: apt refuses a second one."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from filelock import FileLock

LOCK = Path(tempfile.gettempdir()) / f"respsweep-tests-apt-{os.geteuid()}.lock"


def apt_get(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run apt-get once no other test does. Raises subprocess.TimeoutExpired after five minutes of its own."""
    with FileLock(LOCK):
        return subprocess.run(
            ["apt-get", "-o", "DPkg::Lock::Timeout=120", *arguments],
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
