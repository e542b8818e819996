"""`respsweep cluster stop`."""

from __future__ import annotations

from sweep.commands.console import say
from sweep.commands.options import STUDIES, NameArgument, StudiesOption


def stop(name: NameArgument, studies: StudiesOption = STUDIES) -> None:
    """End the SLURM jobs of a study, and no others: units save where they are, and the study can be taken up again."""
    from sweep.cluster.slurm import StudyJobs
    from sweep.cluster.slurm_queue import cancel
    from sweep.folder.study_folder import StudyFolder

    folder = StudyFolder.at(studies, name)
    there = cancel(StudyJobs(folder.path.absolute()), say)
    if not there:
        say(f"{folder.place}: no jobs in the queue")
    for job in there:
        say(f"ended: {job.id} {job.name} ({job.state})")
