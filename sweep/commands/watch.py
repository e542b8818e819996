"""`respsweep watch`."""

from __future__ import annotations

from sweep.commands.console import console, say
from sweep.commands.options import STUDIES, LogOption, NameArgument, StudiesOption


def watch(
    name: NameArgument,
    log: LogOption = "lines",
    studies: StudiesOption = STUDIES,
) -> None:
    """Watch a study that runs in another terminal, or on another machine, until it ends; Ctrl-C only stops watching."""
    from sweep.driver.display import display_of
    from sweep.driver.watch import watch as look
    from sweep.folder.study_folder import StudyFolder

    folder = StudyFolder.open(studies, name)
    display = display_of(console(), console(stderr=True), quiet=False, log=log)
    try:
        ended = look(folder, display)
    except KeyboardInterrupt:
        return
    if log == "lines":
        say(ended)
