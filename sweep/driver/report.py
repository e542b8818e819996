"""The report of a study, with what its finalists came to on all folds of patients."""

from __future__ import annotations

import time
from pathlib import Path

from sweep.evaluation.best_answers import told_answers
from sweep.evaluation.cross_fold_ranking import in_words, read_ranking
from sweep.folder.study_folder import StudyFolder
from sweep.report.page.write import ReportError, write_report


def report(folder: StudyFolder, path: Path | None = None, data: Path | None = None) -> str:
    """Write the report of a study, by default to `report.html` in it; returns the place.

    `data`: where the recordings lie, unless where the study says; without recordings the report says what is left out.
    Raises ReportError for a file that cannot be written, and for the study of finalists on other folds, which is told
    on the report of the search; CrossFoldError for a ranking on all folds that is damaged; and what
    `sweep.evaluation.best_answers.answers_of_best` does where `data` is given.
    """
    if (crosses := folder.config().crosses) is not None:
        raise ReportError(
            f"{folder.place}: ranks the finalists of the study {crosses.study}; the report of that one tells of it"
        )
    ranking = read_ranking(folder)
    notes = () if ranking is None else (in_words(ranking),)
    return write_report(folder, time.time(), path, notes, told_answers(folder, data))
