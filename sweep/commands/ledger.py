"""`respsweep ledger`."""

from __future__ import annotations

import typer

from sweep.commands.console import console
from sweep.commands.options import STUDIES, StudiesOption


def ledger(name: str, studies: StudiesOption = STUDIES) -> None:
    """Show who read the test part of a study's recordings, and whether a line was altered: PASS, or what."""
    from sweep.evaluation.finish import finishing_folder
    from sweep.evaluation.ledgers import Ledgers
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.ledger_table import ledger_table

    folder = StudyFolder.open(studies, name)
    finishing = folder if folder.config().finishes is not None else finishing_folder(folder)
    found = Ledgers(finishing, folder.provenance()["data_hash"]).all()
    console().print(*(ledger_table(each.whose, each.place, each.ledger) for each in found), sep="\n")
    if any(each.ledger.faults() for each in found):
        raise typer.Exit(1)
