"""The notebooks of `examples/` run as they stand, in a process and a folder of their own, and hold what they showed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
ELSEWHERE = "read_a_study.ipynb", "your_own_network.ipynb"
"""The first runs in tests/test_python_page.py, beside a study; the way of the second in scenarios/test_own_parts.py."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_what_its_cells_showed_and_no_path_of_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert all(cell["outputs"] for cell in cells if "study." in cell["source"][-1])
    assert not any(place in text for place in (str(ROOT), str(Path.home()), "/tmp/"))
    assert len(text) < 2**20


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path.name not in ELSEWHERE], ids=lambda path: path.stem
)
def test_a_notebook_runs_as_it_stands_but_for_its_number_of_epochs(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    shorter = path.read_text(encoding="utf-8").replace("epochs: 10", "epochs: 1")
    copy.write_text(shorter, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    surroundings = {**kept, "PYTHONPATH": str(ROOT), "RESPSWEEP_CACHE": str(tmp_path / "cache")}
    tool = ROOT / "tools" / "run_notebook.py"
    subprocess.run([sys.executable, tool, copy.name], cwd=tmp_path, env=surroundings, check=True, timeout=550)
    ran, stored = json.loads(copy.read_text(encoding="utf-8"))["cells"], json.loads(shorter)["cells"]
    for one, other in zip(ran, stored, strict=True):
        assert one["source"] == other["source"]
        assert len(one.get("outputs", ())) == len(other.get("outputs", ()))
