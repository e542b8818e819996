"""What scripts that compile Triton kernels say, each in a process of its own, where Triton interprets nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def compiled(script: Path, architecture: str) -> dict[str, dict[str, Any]]:
    """Run a script for an architecture, `90` of Hopper say; returns by kernel what the assembler makes of it."""
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    run = subprocess.run(
        [sys.executable, str(script), architecture],
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
