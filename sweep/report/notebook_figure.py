"""A figure of a study as a notebook shows it, and as a file for papers."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep.report.page.html import report_page
from sweep.report.paper_figures import PARTS, paper_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEIGHTS = {"slices": 420, "importance": 360, "parallel": 960, "race": 820, "front": 620}
"""Pixels of a cell's output, where they are other than `HEIGHT`."""
HEIGHT = 520
PANELS = 2
"""Slices beside each other in a cell."""
PANEL_HEIGHT = 260


@dataclass(frozen=True)
class NotebookFigure:
    """A figure of a study. A notebook shows the one of the report, drawn in the cell; text is what the figure finds.

    `facts`: what a report of the study shows, of which the figure `name` is drawn.
    """

    name: str
    facts: Mapping[str, Any] = field(repr=False)

    @property
    def finding(self) -> str:
        """What the figure shows, in words."""
        return self.facts["findings"][PARTS.get(self.name, self.name)]

    def matplotlib(self) -> Figure:
        """Draw the figure with matplotlib, black on white."""
        return paper_figure(self.name, self.facts)

    def save(self, path: Path | str) -> Path:
        """Write the figure as matplotlib draws it, as PDF, SVG or PNG by the file's name; return the file."""
        self.matplotlib().savefig(path)
        return Path(path)

    def __repr__(self) -> str:
        return f"{self.name}: {self.finding}"

    def _repr_html_(self) -> str:
        # A frame of its own: neither can the notebook's styles and scripts change the figure, nor it the notebook.
        page = report_page({**self.facts, "answers": None, "only": PARTS.get(self.name, self.name)})
        height = HEIGHTS.get(self.name, HEIGHT)
        if self.name == "slices":
            height += PANEL_HEIGHT * ((len(self.facts["parameters"]) - 1) // PANELS)
        return (
            f'<iframe srcdoc="{html.escape(page)}" sandbox="allow-scripts allow-downloads" '
            f'style="width: 100%; height: {height}px; border: 0" title="{html.escape(self.name)}"></iframe>'
        )
