"""The report of a study with all that is known of its finalists and of its best: written once, or while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from data.errors import UserError
from sweep.evaluation.best_answers import BestAnswers, answers_of_best, told_answers
from sweep.evaluation.confident_errors import confident_errors
from sweep.evaluation.cross_fold_ranking import in_words, read_ranking
from sweep.evaluation.error_maps import error_maps
from sweep.folder.study_folder import StudyFolder
from sweep.report.page.facts import report_facts
from sweep.report.page.write import ReportError, write_report
from sweep.report.paper_figures import write_figures

RENEWAL_S = 10.0
"""Seconds from one renewal of a watched report to the next, at least."""
IDLE_SHARE = 9
"""How many times as long as a renewal took nothing is done after it."""


def report(
    folder: StudyFolder,
    path: Path | None = None,
    data: Path | None = None,
    *,
    sounds: bool = False,
    hear: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> str:
    """Write the report of a study, by default to `report.html` in it; returns the place.

    `data`: where the recordings lie, unless where the study says; without recordings the report says what is left out.
    `sounds`: also the most confident errors, with the sound and spectrogram of their cycles, and what each rests on.
    `hear` is called with the facts that the report shows (`sweep.report.page.facts.report_facts`).

    Raises ReportError for a file that cannot be written, and for the study of finalists on other folds, which is told
    on the report of the search; CrossFoldError for a ranking on all folds that is damaged; and what
    `sweep.evaluation.best_answers.answers_of_best` does where `data` is given, or `sounds` are asked for.
    """
    return _written(folder, path, lambda: answers_told(folder, data, sounds=sounds), hear=hear)


def watch_report(
    folder: StudyFolder,
    path: Path | None = None,
    data: Path | None = None,
    *,
    sounds: bool = False,
    say: Callable[[str], None] = lambda _: None,
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Write the report of a study, and write it anew whenever something has happened, until no driver runs the study.

    A browser that shows the file loads it again by itself until then. Answers and sounds come in once there is a best
    configuration, and again when it is another. `say` hears the place once the file is there; `wait` and `clock` are in
    seconds. At least nine tenths of the time, nothing is done. Returns the place; raises what `report` does.
    """
    seen, best, answers, place = None, None, None, ""
    while True:
        began, running = clock(), folder.lock().held_by() is not None
        folder.pull()
        stands = folder.journal.stat().st_size if folder.journal.exists() else 0
        if stands != seen or not running:
            now_best = folder.board().best()
            if answers is None or now_best != best:
                best, asked = now_best, now_best is not None
                answers = answers_told(folder, data if asked else None, sounds=sounds and asked)
            place = _written(folder, path, lambda told=answers: told, RENEWAL_S if running else None)
            if seen is None:
                say(place)
            seen = stands
        if not running:
            return place
        wait(max(RENEWAL_S, IDLE_SHARE * (clock() - began)))


def figures_of(folder: StudyFolder, directory: Path) -> list[Path]:
    """Write the figures of a study's report for papers, as PDF and SVG, into a folder, which is made; return the files.

    Raises ReportError for a folder that takes no files.
    """
    try:
        return write_figures(report_facts(folder, time.time()), directory)
    except OSError as error:
        raise ReportError(f"{directory}: cannot be written: {error.strerror}") from error


def answers_told(folder: StudyFolder, data: Path | None = None, *, sounds: bool = False) -> dict[str, Any]:
    """Tell what the best configuration answered on validation cycles, or under `missing` why that cannot be told.

    With `sounds` also the most confident `errors`, each with the `map` of what it rests on, or under `no_maps` why there
    are none. Where `data` is given, or `sounds` are asked for, what is missing is
    raised.
    """
    try:
        found = answers_of_best(folder, data)
    except (UserError, OSError) as error:
        if data is not None or sounds:
            raise
        return {"missing": str(error)}
    return {"missing": None, **told_answers(found), **_errors(folder, found, sounds=sounds)}


def _errors(folder: StudyFolder, found: BestAnswers, *, sounds: bool) -> dict[str, Any]:
    if not sounds:
        return {"errors": None, "no_maps": None}
    maps, missing = error_maps(folder, found)
    errors = zip_longest(confident_errors(found), maps)
    return {"errors": [{**told, "map": one} for told, one in errors], "no_maps": missing}


def _written(
    folder: StudyFolder,
    path: Path | None,
    answers: Callable[[], Mapping[str, Any]],
    renewed_s: float | None = None,
    hear: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> str:
    if (crosses := folder.config().crosses) is not None:
        raise ReportError(
            f"{folder.place}: ranks the finalists of the study {crosses.study}; the report of that one tells of it"
        )
    ranking = read_ranking(folder)
    notes = () if ranking is None else (in_words(ranking),)
    return write_report(folder, time.time(), path, notes, answers(), renewed_s, hear)
