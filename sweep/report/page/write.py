"""The report of a study as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.atomic import write_whole
from data.errors import UserError
from sweep.folder.study_folder import StudyFolder
from sweep.report.page.facts import report_facts
from sweep.report.page.html import report_page
from sweep.storage.open_storage import below

FILE = "report.html"


class ReportError(UserError):
    """A report that cannot be written."""


def write_report(
    folder: StudyFolder,
    now: float,
    path: Path | None = None,
    notes: Sequence[str] = (),
    answers: Mapping[str, Any] | None = None,
    renewed_s: float | None = None,
    hear: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> str:
    """Write the report of a study, whole or not at all, by default to `report.html` in it; returns the place.

    Of a study on an object store the working copy has it too, from which the driver hands it on.
    `now`: seconds since 1970, until which running units are counted. `notes`: sentences for the answer. `answers`: what
    is told of validation cycles (`report_facts`). `renewed_s`: seconds after which a browser loads the file again, of a
    study that runs. `hear` is called with the facts that the page shows. Raises ReportError for a file that cannot be
    written.
    """
    facts = report_facts(folder, now, notes, answers)
    hear(facts)
    content = report_page({**facts, "renewed_s": renewed_s})
    try:
        write_whole(path or folder.path / FILE, content)
        if path is None and folder.uri is not None:
            folder.storage().write(FILE, content.encode())
    except OSError as error:
        raise ReportError(
            f"{path or below(folder.place, FILE)}: cannot be written: {error.strerror}"
        ) from error
    return below(folder.place, FILE) if path is None else str(path)
