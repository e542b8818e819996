"""Studies on a real SLURM of hosts that are namespaces, each disturbed at random: what came of them.

    .venv/bin/python benchmarks/slurm.py --studies 20
    .venv/bin/python benchmarks/slurm.py --studies 3 --epochs 150    # units that last longer

Each study has three workers of one node and meets three of the disturbances of
`tests/scenarios/slurm/test_disturbances.py`, which also says what must hold after them. Its seed chooses which, when,
and whom they strike. Exits with 1 when something did not hold. Needs root, for the hosts, and apt, for SLURM.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import bench
import torch
import typer

ALWAYS = ("seed", "struck", "equal")
ENDED = ("seconds", "drivers", "lost_s", "dead_s", "held_s", "left")
"""What a line says of every study, and of one that came to its end."""


def main(
    studies: Annotated[int, typer.Option(min=1, help="One after the other.")] = 20,
    first: Annotated[int, typer.Option(min=0, help="Seed of the first; the next has the next.")] = 0,
    epochs: Annotated[int, typer.Option(min=10, help="Of each of a study's four units.")] = 30,
    rows: Annotated[
        Path | None,
        typer.Option(help="Keep a line of JSON for each study in this file, or read those there."),
    ] = None,
) -> None:
    """Disturb studies, and print a row for each."""
    tests = Path(__file__).parents[1] / "tests" / "scenarios" / "slurm" / "test_disturbances.py"
    with tempfile.TemporaryDirectory() as folder:
        table = (rows or Path(folder) / "slurm.jsonl").absolute()
        status = 0
        if not table.exists():
            told = {
                "RESPSWEEP_SLURM_STUDIES": str(studies),
                "RESPSWEEP_SLURM_FIRST": str(first),
                "RESPSWEEP_SLURM_EPOCHS": str(epochs),
                "RESPSWEEP_SLURM_TABLE": str(table),
            }
            command = [sys.executable, "-m", "pytest", "-q", "-m", "long", str(tests)]
            status = subprocess.run(command, env={**os.environ, **told}).returncode
        found = read_rows(table) if table.exists() else []
    bench.print_machine(torch.device("cpu"))
    bench.print_table(
        (
            "seed",
            "disturbances",
            "minutes",
            "drivers",
            "board",
            "lost: s",
            "of it without power",
            "share of the rest",
            "processes left",
        ),
        map(_row, found),
    )
    print(f"\n{summary(found)}")
    raise typer.Exit(status)


def read_rows(table: Path) -> list[dict[str, Any]]:
    """Read the lines of `--rows`. Raises BadParameter for one that is none, or has not all that the table shows."""
    found = []
    for number, line in enumerate(table.read_text().splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise typer.BadParameter(f"{table}:{number}: no line of this benchmark, but {line[:60]!r}")
        if missing := ({*ALWAYS, *(ENDED if "left" in row else ())} - row.keys()):
            raise typer.BadParameter(
                f"{table}:{number}: has no {', '.join(sorted(missing))}, as an earlier version of this benchmark wrote "
                "it; name another file, into which the studies are run anew"
            )
        found.append(row)
    return found


def _row(study: dict[str, Any]) -> tuple[str, ...]:
    struck = ", ".join(study["struck"])
    if "left" not in study:
        return str(study["seed"]), struck, "", "", "DID NOT END", "", "", "", ""
    return (
        str(study["seed"]),
        struck,
        f"{study['seconds'] / 60:.1f}",
        str(study["drivers"]),
        "equal" if study["equal"] else "OTHER",
        f"{study['lost_s']:.1f}",
        f"{study['dead_s']:.1f}",
        f"{100 * _share([study]):.1f} %",
        str(study["left"]),
    )


def summary(found: list[dict[str, Any]]) -> str:
    """Say in lines how many ended as an undisturbed study, what was lost, what was left, and what struck."""
    ended = [study for study in found if "left" in study]
    if not ended:
        return f"none of {len(found)} studies came to its end"
    struck = Counter(name for study in found for name in study["struck"])
    return (
        f"{sum(study['equal'] for study in ended)} of {len(found)} studies ended with the board of an undisturbed one; "
        f"lost at most {100 * max(_share([study]) for study in ended):.1f} % of the device time that had power, in all "
        f"{100 * _share(ended):.1f} %, and {sum(study['dead_s'] for study in ended):.0f} s until power cuts were "
        f"noticed; {sum(study['left'] for study in ended)} processes left\n"
        + ", ".join(f"{name}: {times}" for name, times in sorted(struck.items()))
    )


def _share(ended: list[dict[str, Any]]) -> float:
    """Of the time on devices that had power, the share that had to be spent again."""
    dead_s = sum(study["dead_s"] for study in ended)
    held_s = sum(study["held_s"] for study in ended) - dead_s
    return (sum(study["lost_s"] for study in ended) - dead_s) / held_s if held_s else 0.0


if __name__ == "__main__":
    typer.run(main)
