"""`respsweep cluster worker`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from sweep.commands.console import say
from sweep.commands.options import STUDIES, StudiesOption


def worker(
    name: Annotated[str, typer.Argument(help="The study to work for, by its name; it may begin later.")],
    give_up: Annotated[
        float, typer.Option("--give-up", min=0, help="Minutes without a driver after which it ends.")
    ] = 60.0,
    notice: Annotated[
        float, typer.Option(min=15, help="Seconds from USR1 to the end of its time; TERM leaves 30.")
    ] = 120.0,
    cpus: Annotated[
        int | None, typer.Option(min=1, help="Processors to offer; default: those of this job.")
    ] = None,
    gpus: Annotated[
        float | None, typer.Option(min=0, help="GPUs to offer; default: those of this job.")
    ] = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Train units for a study whose driver runs elsewhere with --address head, until the study is over.

    The studies that the driver trains after that one are worked for too: its finalists on other folds, or networks for
    all patients. Made for batch jobs: on USR1, TERM or Ctrl-C the units save where they are and go on elsewhere, and it
    ends with status 75; it ends with 1 when no driver came. It may come before the driver, and waits for the next one
    when one ends before the study is over, as when its hours are spent.
    """
    from sweep.driver.later_studies import later_studies, nothing_left
    from sweep.execution.worker_job import Ending, WorkerJob
    from sweep.folder.study_folder import StudyFolder

    folder = StudyFolder.find(studies, name)
    job = WorkerJob(
        folder,
        say,
        give_up_s=60 * give_up,
        notice_s=notice,
        cpus=cpus,
        gpus=gpus,
        over=nothing_left,
        later=later_studies,
    )
    ending = job.run()
    say(f"{folder.place}: {ending.value}")
    if ending is not Ending.OVER:
        raise typer.Exit(os.EX_TEMPFAIL if ending is Ending.LEFT else 1)
