"""`respsweep ledger`."""

from __future__ import annotations

import typer

from sweep.commands.console import console, say
from sweep.commands.options import STUDIES, DataOption, NameArgument, StudiesOption


def ledger(
    name: NameArgument,
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
    config = folder.config()
    studies_of = [folder] if config.finishes is not None or config.label is not None else []
    if config.finishes is None:
        studies_of.append(finishing_folder(folder))
    recordings = read_recordings(recordings_of(folder, data), config.scored_task.name)
    shown, last, faults = {}, {}, []
    for study in studies_of:
        ledgers = Ledgers(study, part_hash(recordings))
        own, *shared = ledgers.all()
        shown[own.place] = own
        faults += [*ledgers.faults(), *bundle_faults(study, own.ledger)]
        # Those of the recordings come last, once.
        last = {each.place: each for each in shared}
    tables = (ledger_table(each.whose, each.place, each.ledger) for each in {**shown, **last}.values())
    console().print(*tables, sep="\n")
    faults = list(dict.fromkeys(faults))
    for fault in faults:
        say(f"FAIL: {fault}")
    if faults:
        raise typer.Exit(1)
    say("PASS: no line was altered, taken out or cut off, and each bundle is the one that was written down")
