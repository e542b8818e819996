"""The report of a study, with what its finalists came to on all folds of patients."""

from __future__ import annotations

import time
from pathlib import Path

from evidence.objectives import OBJECTIVES, TITLES
from sweep.evaluation.cross_fold_ranking import CrossFoldRanking, read_ranking
from sweep.folder.study_folder import StudyFolder
from sweep.report.page.write import write_report


def report(folder: StudyFolder, path: Path | None = None) -> str:
    """Write the report of a study, by default to `report.html` in it; returns the place.

    Raises ReportError for a file that cannot be written, CrossFoldError for a ranking on all folds that is damaged.
    """
    ranking = read_ranking(folder)
    notes = () if ranking is None else (in_words(ranking),)
    return write_report(folder, time.time(), path, notes)


def in_words(ranking: CrossFoldRanking) -> str:
    """Say which finalist is first on all folds of patients, and that it is chosen."""
    metric, tied = (
        OBJECTIVES[ranking.objective],
        [number for number in ranking.tied if number != ranking.best],
    )
    first = ranking.numbers["configurations"][str(ranking.best)]
    ends = first["patient_interval"]
    between = (
        "" if ends is None else f" (95 % over patients and seeds: {100 * ends[0]:.1f} to {100 * ends[1]:.1f})"
    )
    also = f"; tied with it: {', '.join(map(str, tied))}" if tied else ""
    return (
        f"On all folds of patients no. {ranking.best} is first of {len(ranking.numbers['ranking'])} finalists, "
        f"{TITLES[metric]} {100 * first[metric]['mean']:.1f} %{between}{also}; export and finish choose it."
    )
