"""The notebooks of `examples/` hold what they showed.

The one that reads a study runs in tests/test_python_page.py; the ways of the others in scenarios/test_own_parts.py.
"""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_what_its_cells_showed_and_no_path_of_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert all(cell["outputs"] for cell in cells if "study." in cell["source"][-1])
    assert not any(place in text for place in (str(ROOT), str(Path.home()), "/tmp/"))
    assert len(text) < 2**20
