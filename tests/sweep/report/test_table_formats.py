"""Tables for papers, pages and programs."""

import io
import json

import pandas as pd
import pytest
from rich.table import Table

from sweep.report.table_formats import as_data, as_latex, as_markdown, escaped_for_latex


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
