import base64
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from run_notebook import executed


class Drawn:
    def matplotlib(self) -> Figure:
        return Figure()

    def _repr_html_(self) -> str:
        raise AssertionError("a figure is kept as a picture")

    def __repr__(self) -> str:
        return "drawn"


def notebook(*sources: str) -> dict[str, Any]:
    code = [
        {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": []} for source in sources
    ]
    return {"cells": [{"cell_type": "markdown", "source": ["# Title"]}, *code]}


def test_cells_share_names_and_keep_what_they_print_and_end_in() -> None:
    text, first, second, third = executed(notebook("a = 20", "print('half')\n2 * a + 2", "None"), "x.ipynb")[
        "cells"
    ]
    assert text == {"cell_type": "markdown", "source": ["# Title"]}
    assert (first["execution_count"], first["outputs"]) == (1, [])
    printed, shown = second["outputs"]
    assert printed == {"output_type": "stream", "name": "stdout", "text": ["half\n"]}
    assert (shown["execution_count"], shown["data"]) == (2, {"text/plain": ["42"]})
    assert third["outputs"] == []


def test_tables_are_kept_as_tables_and_figures_as_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pd, "Drawn", Drawn, raising=False)
    made = "import pandas as pd\npd.DataFrame({'a': [1]})"
    _, table, figure = executed(notebook(made, "pd.Drawn()"), "x.ipynb")["cells"]
    assert "<table" in "".join(table["outputs"][0]["data"]["text/html"])
    data = figure["outputs"][0]["data"]
    assert data["text/plain"] == ["drawn"]
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert "text/html" not in data


def test_an_error_names_the_notebook_and_its_cell() -> None:
    with pytest.raises(ZeroDivisionError) as error:
        executed(notebook("1", "1 / 0"), "x.ipynb")
    assert str(error.traceback[-1].path).endswith("x.ipynb, cell 2")
