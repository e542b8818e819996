"""Tables as Markdown and LaTeX, and as CSV and JSON, to paste and to read with other programs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    sign: f"\\{sign}" for sign in "&%$#_{}"
}
_SIGNS = {"±": r"$\pm$", "τ": r"$\tau$", "β": r"$\beta$", "σ": r"$\sigma$"}


def as_markdown(table: Table) -> str:
    """Write a table as Markdown of GitHub's kind; a bar in a cell is escaped."""
    lines = [_bars(_headings(table)), "|" + "---|" * len(table.columns), *map(_bars, _rows(table))]
    return "\n".join(lines)


def as_latex(table: Table) -> str:
    """Write a table as LaTeX in the style of booktabs."""
    sides = "".join("r" if column.justify == "right" else "l" for column in table.columns)
    rows = [" & ".join(map(escaped_for_latex, row)) + r" \\" for row in [_headings(table), *_rows(table)]]
    lines = [rf"\begin{{tabular}}{{{sides}}}", r"\toprule", rows[0], r"\midrule", *rows[1:]]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def as_data(frame: pd.DataFrame, form: Literal["json", "csv"]) -> str:
    """Write a frame as JSON, a list of objects, or as CSV; numbers are not rounded, what is missing is null or empty."""
    text = (
        frame.to_csv(index=False)
        if form == "csv"
        else frame.to_json(orient="records", indent=1, double_precision=15, date_format="iso")
    )
    return text or ""


def escaped_for_latex(text: str) -> str:
    """Escape what LaTeX would obey; ± and the Greek letters of our tables become its commands."""
    found = re.sub(r"[\\~^&%$#_{}]", lambda sign: _SPECIAL[sign[0]], text)
    return "".join(_SIGNS.get(sign, sign) for sign in found)


def _headings(table: Table) -> list[str]:
    return [str(column.header).replace("\n", "") for column in table.columns]


def _rows(table: Table) -> list[list[str]]:
    return [list(row) for row in zip(*(map(str, column.cells) for column in table.columns), strict=True)]


def _bars(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
