"""`respsweep leak`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.console import console, say
from sweep.commands.options import DATA_HELP, STUDIES, NameArgument, StudiesOption


def leak(
    name: NameArgument,
    data: Annotated[Path | None, typer.Option("--data", help=DATA_HELP)] = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Show how far a score rises that is chosen on the test part: by epoch, configuration, seed (`leak: true`)."""
    from data.quantities import counted
    from sweep.evaluation.leak_reading import read_leak
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.leak_table import WHAT_IT_IS, leak_table, what_was_compared

    found = read_leak(StudyFolder.open(studies, name), data)
    say(what_was_compared(found.chosen, found.configurations, found.of, found.seeds, found.epochs))
    for part in found.parts:
        say(f"{part.part}: {counted(part.cycles, 'cycle')} of {counted(part.patients, 'patient')}")
        console().print(leak_table(part.leak, part.interval))
        for line in part.remarks:
            say(f"note: {line}")
    say(WHAT_IT_IS)
