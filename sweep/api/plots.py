"""The figures of a study: what `study.plot` offers."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweep.folder.study_folder import StudyFolder

if TYPE_CHECKING:
    from sweep.report.notebook_figure import NotebookFigure


@dataclass(frozen=True)
class Plots:
    """The figures of a study's report, one by one. A notebook draws each in its cell, without a network.

    `save("history.pdf")` of a figure writes it for a paper, and `matplotlib()` gives it to be changed.
    """

    folder: StudyFolder

    def history(self) -> NotebookFigure:
        """Draw each configuration's mean in the order tried, and the best so far."""
        return self._figure("history")

    def slices(self) -> NotebookFigure:
        """Draw scores against the values of each searched field by itself."""
        return self._figure("slices")

    def importance(self) -> NotebookFigure:
        """Draw how much each searched field tells the best configurations from the others, with intervals."""
        return self._figure("importance")

    def race(self) -> NotebookFigure:
        """Draw by how much those that were given up lay behind the best."""
        return self._figure("race")

    def curves(self) -> NotebookFigure:
        """Draw every unit's score by epoch, those of the best configuration strongly."""
        return self._figure("curves")

    def parallel(self) -> NotebookFigure:
        """Draw a line for each configuration through its values to its score."""
        return self._figure("parallel")

    def front(self) -> NotebookFigure:
        """Draw sensitivity against specificity, and the line of those that no other beats in both."""
        return self._figure("front")

    def confusion(self) -> NotebookFigure:
        """Draw the answers of the best configuration by true label, summed over its seeds."""
        return self._figure("confusion")

    def _figure(self, name: str) -> NotebookFigure:
        from sweep.report.notebook_figure import NotebookFigure

        journal = self.folder.journal
        stands = (journal.stat().st_size, journal.stat().st_mtime_ns) if journal.exists() else None
        return NotebookFigure(name, _facts(self.folder, stands))


@functools.lru_cache(maxsize=2)
def _facts(folder: StudyFolder, stands: tuple[int, int] | None) -> dict[str, Any]:
    """Collect what figures show, once for a journal that `stands` at this size and time."""
    from sweep.report.page.facts import report_facts

    return report_facts(folder, time.time())
