"""Kills on small real studies, each at a random moment: what came of them, and how soon the study went on.

    .venv/bin/python benchmarks/faults.py --studies 10

Each study meets every fault of `tests/scenarios/test_faults.py` once, which also says what must hold after each. Exits
with 1 when something did not.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import bench
import torch
import typer


def main(
    studies: Annotated[int, typer.Option(min=1, help="Each meets every fault once.")] = 10,
    processes: Annotated[int, typer.Option(min=1, help="Studies at a time.")] = 1,
) -> None:
    """Disturb studies, and print a row for each fault."""
    test = Path(__file__).parents[1] / "tests" / "scenarios" / "test_faults.py"
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "faults.jsonl"
        told = {"RESPSWEEP_FAULT_STUDIES": str(studies), "RESPSWEEP_FAULT_TABLE": str(table)}
        command = [sys.executable, "-m", "pytest", "-q", "-n", str(processes), str(test)]
        status = subprocess.run(command, env={**os.environ, **told}).returncode
        rows = [json.loads(line) for line in table.read_text().splitlines()] if table.exists() else []
    bench.print_machine(torch.device("cpu"))
    times = {
        name: [row["seconds"] for row in rows if row["fault"] == name]
        for name in {row["fault"] for row in rows}
    }
    bench.print_table(
        ("fault", "times", "s until an epoch was ended after it: median", "most"),
        (
            (name, len(seconds), f"{statistics.median(seconds):.0f}", f"{max(seconds):.0f}")
            for name, seconds in sorted(times.items())
        ),
    )
    print(f"\n{len(rows)} faults in {studies} studies")
    raise typer.Exit(status)


if __name__ == "__main__":
    typer.run(main)
