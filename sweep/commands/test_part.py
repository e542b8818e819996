"""`respsweep test`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from sweep.commands.console import say, say_aside, show_in
from sweep.commands.options import STUDIES, DataOption, FormatOption, NameArgument, StudiesOption


def read_test(
    name: NameArgument,
    data: DataOption = None,
    again: Annotated[
        bool, typer.Option("--again", help="Read it though these weights have; the ledgers count it.")
    ] = False,
    form: FormatOption = "table",
    studies: StudiesOption = STUDIES,
) -> None:
    """Read the official test part once with the finished units of a study, and write down that it was read."""
    from sweep.evaluation.finish import FinishError, check_finishes, check_honest, finishing_folder
    from sweep.evaluation.test_reading import read_test_part
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.published_scores import published_scores
    from sweep.report.reading_table import reading_rows, reading_tables

    folder = StudyFolder.open(studies, name)
    check_honest(folder)
    if folder.config().finishes is None:
        searched, folder = folder, finishing_folder(folder)
        if not folder.exists:
            raise FinishError(f"{searched.place}: not finished; first: respsweep finish {searched.arguments}")
        check_finishes(folder, searched)
    aside = say if form == "table" else say_aside
    reading = read_test_part(folder, data, aside, again=again)
    # Published scores are of whole test parts.
    whole = reading.population == "all"
    published = published_scores(reading.published, reading.task) if whole else ()
    tables = reading_tables(
        reading.numbers,
        reading.readings,
        reading.missing,
        published,
        reading.at_every_epoch,
        reading.population,
    )
    show_in(form, list(tables), lambda: asdict(reading), lambda: reading_rows(reading.numbers))
    aside(
        f"check it anywhere: respsweep verify {reading.bundle}   who read when: respsweep ledger {folder.arguments}   "
        f"in the report, written anew: respsweep report {folder.arguments}"
    )
