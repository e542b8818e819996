"""The table of policies on recorded curves, as its command prints it for a small study."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from sweep.simulation.curves_file import export_curves
from tests.sweep.simulation.test_curves_file import played_study

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "engine.py"


def table(path: Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    file = export_curves(
        played_study(path, configurations=8, epochs=4, seeds=3, **settings), path / "c.jsonl"
    )
    command = [sys.executable, str(SCRIPT), "policies", "recorded", "--curves", str(file)]
    command += ["--repeats", "2", "--processes", "1"]
    return subprocess.run(command, capture_output=True, text=True)


def test_each_policy_has_a_row_and_training_everything_costs_all_and_regrets_nothing(tmp_path: Path) -> None:
    done = table(tmp_path, racing={"name": "none"}, pruner={"name": "none"})
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| rec")]
    cells = {row[1]: row[2:] for row in rows}
    assert {row[0] for row in rows} == {"recorded: first"}
    assert cells["five seeds each"] == ["24", "0.0", "100.0", "100.0", "0.000 ± 0.000", "+0.000 ± 0.000"]
    assert cells["random search, one seed each"][:2] == ["8", "66.7"]
    assert {"**default epoch pruner (forecast)**", "**default racing and epoch pruner**"} < cells.keys()
    for policy in ("**default racing (contenders)**", "median pruner", "hyperband"):
        assert float(cells[policy][2]) < 100
        assert float(cells[policy][4].split()[0]) >= 0


def test_a_study_with_gaps_is_refused(tmp_path: Path) -> None:
    done = table(tmp_path, pruner={"name": "none"})
    assert done.returncode == 1
    assert "the table needs every seed of each" in done.stderr
