"""`respsweep cluster status`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Column, Table
from rich.text import Text

from sweep.commands.console import console, say
from sweep.commands.options import STUDIES, NameArgument, StudiesOption

if TYPE_CHECKING:
    from sweep.folder.study_folder import StudyFolder


def cluster_status(name: NameArgument, studies: StudiesOption = STUDIES) -> None:
    """Show a study's SLURM jobs, the nodes that its driver has, and how its units stand, and those trained after it."""
    from sweep.cluster.slurm import StudyJobs
    from sweep.cluster.slurm_queue import SlurmError, jobs
    from sweep.driver.later_studies import later_studies
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.status import study_status

    folder = StudyFolder.at(studies, name)
    names = StudyJobs(folder.path.absolute())
    if not (names.scripts.exists() or folder.path.exists()):
        # Neither begun nor submitted from here: the error names those that are.
        StudyFolder.open(studies, name)
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
    drivers = [line for one in trained for line in _driver_lines(one)]
    say("\n".join(drivers) if drivers else "no driver that workers could join")
    for one in trained:
        if one.exists:
            console().print(study_status(one))
        elif one == folder:
            say(f"{folder.place}: not begun yet")


def _driver_lines(folder: StudyFolder) -> Iterator[str]:
    """Say who left the `head.json` of a study: a driver that lives, with its workers, or one that does not answer."""
    from sweep.execution.head_file import FILE, read_head
    from sweep.execution.joined_nodes import joined_nodes

    if (head := read_head(folder.path)) is None:
        return
    whose = f"driver on {head.host}" + (f", job {head.job}" if head.job else "")
    if not head.proves_itself():
        yield (
            f"{folder.place}: {whose}: does not answer at {head.proof}; its {FILE} is stale unless it is back soon, and "
            "no worker joins it until then"
        )
    elif (nodes := joined_nodes(head)) is None:
        yield f"{folder.place}: {whose}: lives, but its Ray does not answer at {head.address}"
    else:
        yield f"{folder.place}: {whose}: {len(nodes)} worker{'s' * (len(nodes) != 1)}"
        yield from (f"  {node}" for node in nodes)
