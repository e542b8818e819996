"""Tables for papers, pages and programs."""

import io
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Group
from rich.table import Table
from rich.text import Text

from sweep.report.table_formats import (
    as_csv,
    as_data,
    as_json,
    as_latex,
    as_markdown,
    as_prose,
    escaped_for_latex,
)


@pytest.fixture
def table() -> Table:
    made = Table()
    made.add_column("no.", justify="right")
    made.add_column("sampling.\npower")
    made.add_row("1", "a|b")
    made.add_row("2", "50 % ± 1_0")
    return made


def test_markdown_has_a_row_each_and_no_bar_of_a_cell_ends_it(table: Table) -> None:
    assert as_markdown(table).splitlines() == [
        "| no. | sampling.power |",
        "|---|---|",
        r"| 1 | a\|b |",
        "| 2 | 50 % ± 1_0 |",
    ]


def test_latex_escapes_what_it_would_obey(table: Table) -> None:
    lines = as_latex(table).splitlines()
    assert lines[:3] == [r"\begin{tabular}{rl}", r"\toprule", r"no. & sampling.power \\"]
    assert lines[5] == r"2 & 50 \% $\pm$ 1\_0 \\"
    assert lines[-1] == r"\end{tabular}"
    assert escaped_for_latex("τ \\input{x}") == r"$\tau$ \textbackslash{}input\{x\}"


def test_data_come_back_as_they_were() -> None:
    frame = pd.DataFrame({"rank": [1, None], "score": [1 / 3, 0.25], "name": ['a,"b', "c"]}).astype(
        {"rank": "Int64"}
    )
    read = json.loads(as_data(frame, "json"))
    assert read == [
        {"rank": 1, "score": pytest.approx(1 / 3, abs=1e-14), "name": 'a,"b'},
        {"rank": None, "score": 0.25, "name": "c"},
    ]
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(as_data(frame, "csv"))).astype({"rank": "Int64"}), frame
    )


def test_tables_and_texts_are_written_one_below_the_other(table: Table) -> None:
    parts = [Group(Text("two rows\nof two cells"), table)]
    assert as_prose(parts, "markdown").split("\n\n") == ["two rows\nof two cells", as_markdown(table)]
    assert as_prose(parts, "latex").split("\n\n") == ["% two rows\n% of two cells", as_latex(table)]


def test_plain_values_are_json_and_rows_are_csv_whatever_numpy_made_of_them() -> None:
    value = {
        "mean": np.float64(0.1),
        "counts": np.array([[1, 2]]),
        "none": math.nan,
        "path": Path("a"),
        3: (True,),
    }
    assert json.loads(as_json(value)) == {
        "mean": 0.1,
        "counts": [[1, 2]],
        "none": None,
        "path": "a",
        "3": [True],
    }
    rows = [{"seed": 1, "score": np.float64(0.123456789012345)}, {"seed": 2, "note": "a,b"}]
    assert as_csv(rows).splitlines() == ["seed,score,note", "1,0.123456789012345,", '2,,"a,b"']
    assert as_csv([]) == ""
