"""The report of a study, with what its finalists came to on all folds of patients."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from data.errors import UserError
from sweep.evaluation.best_answers import answers_of_best, told_answers
from sweep.evaluation.confident_errors import confident_errors
from sweep.evaluation.cross_fold_ranking import in_words, read_ranking
from sweep.folder.study_folder import StudyFolder
from sweep.report.page.write import ReportError, write_report


def report(
    folder: StudyFolder, path: Path | None = None, data: Path | None = None, *, sounds: bool = False
) -> str:
    """Write the report of a study, by default to `report.html` in it; returns the place.

    `data`: where the recordings lie, unless where the study says; without recordings the report says what is left out.
    `sounds`: also the most confident errors, with the sound and spectrogram of their cycles.
    Raises ReportError for a file that cannot be written, and for the study of finalists on other folds, which is told
    on the report of the search; CrossFoldError for a ranking on all folds that is damaged; and what
    `sweep.evaluation.best_answers.answers_of_best` does where `data` is given, or `sounds` are asked for.
    """
    if (crosses := folder.config().crosses) is not None:
        raise ReportError(
            f"{folder.place}: ranks the finalists of the study {crosses.study}; the report of that one tells of it"
        )
    ranking = read_ranking(folder)
    notes = () if ranking is None else (in_words(ranking),)
    return write_report(folder, time.time(), path, notes, answers_told(folder, data, sounds=sounds))


def answers_told(folder: StudyFolder, data: Path | None = None, *, sounds: bool = False) -> dict[str, Any]:
    """Tell what the best configuration answered on validation cycles, or under `missing` why that cannot be told.

    With `sounds` also the most confident `errors`. Where `data` is given, or `sounds` are asked for, what is missing is
    raised.
    """
    try:
        found = answers_of_best(folder, data)
    except (UserError, OSError) as error:
        if data is not None or sounds:
            raise
        return {"missing": str(error)}
    return {"missing": None, **told_answers(found), "errors": confident_errors(found) if sounds else None}
