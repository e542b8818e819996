"""`respsweep ledger`."""

from __future__ import annotations

import typer

from sweep.commands.console import console, say
from sweep.commands.options import STUDIES, DataOption, StudiesOption


def ledger(
    name: str,
    data: DataOption = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Show who read the test part of a study's recordings, and whether a line was altered: PASS, or what."""
    from data.recordings import read_recordings
    from sweep.evaluation.finish import finishing_folder
    from sweep.evaluation.ledgers import Ledgers, part_hash
    from sweep.evaluation.recordings_of import recordings_of
    from sweep.evaluation.written_bundles import bundle_faults
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.ledger_table import ledger_table

    folder = StudyFolder.open(studies, name)
    finishing = folder if folder.config().finishes is not None else finishing_folder(folder)
    recordings = read_recordings(recordings_of(folder, data), folder.config().scored_task.name)
    ledgers = Ledgers(finishing, part_hash(recordings))
    found = ledgers.all()
    console().print(*(ledger_table(each.whose, each.place, each.ledger) for each in found), sep="\n")
    faults = [*ledgers.faults(), *bundle_faults(finishing, found[0].ledger)]
    for fault in faults:
        say(f"FAIL: {fault}")
    if faults:
        raise typer.Exit(1)
    say("PASS: no line was altered, taken out or cut off, and each bundle is the one that was written down")
