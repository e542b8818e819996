"""Texts and tables as Markdown, in which names and values from files stay what they are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from data.errors import one_line

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~&$!@]|:(?=/)|(?<=www)\.)", re.IGNORECASE)
"""What within a line means markup, HTML, an entity or a link; the rest only means something at the start of a line."""


def plain(text: object) -> str:
    """Write a text so that Markdown shows it to the letter: no markup, no links, no HTML, one line."""
    return _MARKS.sub(r"\\\1", one_line(str(text)))


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Make a table of cells that are Markdown already."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
