"""Tables as Markdown and LaTeX, and as CSV and JSON, to paste and to read with other programs."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from rich.console import Group, RenderableType
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


def as_prose(parts: Iterable[RenderableType], form: Literal["markdown", "latex"]) -> str:
    """Write tables and texts, one below the other, as Markdown or LaTeX; texts are paragraphs, in LaTeX comments."""
    written: list[str] = []
    for part in parts:
        if isinstance(part, Group):
            written.append(as_prose(part.renderables, form))
        elif isinstance(part, Table):
            written.append(as_markdown(part) if form == "markdown" else as_latex(part))
        else:
            lines = str(part).splitlines()
            written.append("\n".join(lines if form == "markdown" else [f"% {line}" for line in lines]))
    return "\n\n".join(written)


def as_json(value: Any) -> str:
    """Write plain values as JSON; numbers are not rounded, and one that is none (NaN, infinite) is null."""
    return json.dumps(_plain(value), indent=1, ensure_ascii=False, allow_nan=False)


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as CSV, with the columns of all of them in the order in which they come; what is missing is empty."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows([{name: _plain(value) for name, value in row.items()} for row in rows])
    return text.getvalue().rstrip("\n")


def _plain(value: Any) -> Any:
    """Make what JSON can hold of a value: numpy's numbers and arrays, tuples, paths, words of an enumeration."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float) else str(value)


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
