"""`respsweep cluster status`."""

from __future__ import annotations

from rich.table import Column, Table
from rich.text import Text

from sweep.commands.console import console, say
from sweep.commands.options import STUDIES, NameArgument, StudiesOption


def cluster_status(name: NameArgument, studies: StudiesOption = STUDIES) -> None:
    """Show a study's SLURM jobs, the nodes that its driver has, and how its units stand, and those trained after it."""
    from sweep.cluster.slurm import StudyJobs
    from sweep.cluster.slurm_queue import SlurmError, jobs
    from sweep.driver.later_studies import later_studies
    from sweep.execution.head_file import read_head
    from sweep.execution.joined_nodes import joined_nodes
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.status import study_status

    folder = StudyFolder.at(studies, name)
    names = StudyJobs(folder.path.absolute())
    try:
        there = jobs(names)
    except SlurmError as error:
        say(str(error))
    else:
        table = Table(
            "job", "role", "state", "used", "limit", Column("where, or why it waits", overflow="fold")
        )
        for job in there:
            role = job.name.rpartition("-")[2]
            table.add_row(*map(Text, (job.id, role, job.state, job.used, job.limit, job.where)))
        if there:
            console().print(table)
        else:
            say(f"no jobs in the queue; logs and scripts: {names.scripts}")
    trained = [folder, *later_studies(folder)]
    head = next((found for one in trained if (found := read_head(one.path)) is not None), None)
    if head is None:
        say("no driver that workers could join")
    else:
        nodes = joined_nodes(head)
        whose = f"driver on {head.host}" + (f", job {head.job}" if head.job else "")
        if nodes is None:
            say(f"{whose}: does not answer at {head.address}")
        else:
            say(f"{whose}: {len(nodes)} workers" + "".join(f"\n  {node}" for node in nodes))
    for one in trained:
        if one.exists:
            console().print(study_status(one))
        elif one == folder:
            say(f"{folder.place}: not begun yet")
