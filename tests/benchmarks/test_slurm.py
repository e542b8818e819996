"""What the table of disturbed studies says of them, also of one that never ended."""

import json
from pathlib import Path
from typing import Any

import pytest
import slurm
import typer

ENDED: dict[str, Any] = {
    "seed": 3,
    "struck": ["driver's node", "worker preempted"],
    "seconds": 150.0,
    "drivers": 2,
    "equal": True,
    "lost_s": 33.0,
    "dead_s": 30.0,
    "held_s": 180.0,
    "left": 0,
}


def test_a_study_that_did_not_end_or_ended_otherwise_is_counted_against_them() -> None:
    other = {**ENDED, "equal": False, "lost_s": 6.0, "dead_s": 0.0, "held_s": 150.0, "left": 2}
    never = {"seed": 5, "struck": ["worker preempted"], "equal": False}
    assert slurm.summary([ENDED, other, never]).splitlines() == [
        "1 of 3 studies ended with the board of an undisturbed one; lost at most 4.0 % of the device time that "
        "had power, in all 3.0 %, and 30 s until power cuts were noticed; 2 processes left",
        "driver's node: 2, worker preempted: 3",
    ]
    assert slurm.summary([never]) == "none of 1 studies came to its end"


def test_rows_are_read_back_and_those_of_an_earlier_version_are_refused_by_line(tmp_path: Path) -> None:
    never, table = {"seed": 5, "struck": [], "equal": False}, tmp_path / "slurm.jsonl"
    table.write_text("".join(f"{json.dumps(row)}\n" for row in (ENDED, never)))
    assert slurm.read_rows(table) == [ENDED, never]
    older = {name: value for name, value in ENDED.items() if name not in ("dead_s", "held_s")}
    table.write_text(f"{json.dumps(ENDED)}\n{json.dumps(older)}\n")
    with pytest.raises(
        typer.BadParameter, match=r"slurm\.jsonl:2: has no dead_s, held_s, as an earlier .* name another file"
    ):
        slurm.read_rows(table)
    table.write_text("[]\n")
    with pytest.raises(typer.BadParameter, match=r"slurm\.jsonl:1: no line of this benchmark, but '\[\]'"):
        slurm.read_rows(table)


def test_a_row_says_what_struck_and_what_came_of_it() -> None:
    assert slurm._row(ENDED) == (
        "3",
        "driver's node, worker preempted",
        "2.5",
        "2",
        "equal",
        "33.0",
        "30.0",
        "2.0 %",
        "0",
    )
    assert slurm._row({"seed": 5, "struck": [], "equal": False})[4] == "DID NOT END"
