"""What a batch script must ask of SLURM, so that a job which ends loses nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sweep.cluster.cluster_file import ClusterFile
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.slurm import LEAST_BEYOND_NOTICE_S, seconds_of
from sweep.cluster.surroundings import Surroundings

SIGNAL = re.compile(r"B:(USR1|SIGUSR1|10)(@(?P<seconds>\d+))?")
LEAST_NOTICE_S = 30


def batch(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """Look at signals, time, nodes, logs and the commands that would end other people's work."""
    options = file.content
    wanted = "--signal=B:USR1@120: the batch shell alone hears it, in time for units to save where they are"
    found = SIGNAL.fullmatch(options.get("signal", ""))
    if found is None:
        yield error("#SBATCH --signal", options.get("signal") or "not given", wanted)
    elif int(found["seconds"] or 60) < LEAST_NOTICE_S:
        yield error("#SBATCH --signal", f"{found['seconds']} s before the end", wanted)
    if "requeue" not in options:
        yield warning(
            "#SBATCH --requeue",
            "not given",
            "--requeue: else a job that is preempted, or whose node dies, is gone",
        )
    if options.get("nodes", "1") not in ("1", "1-1"):
        yield error(
            "#SBATCH --nodes",
            options["nodes"],
            "1: jobs of one node start one by one, and none waits for all others",
        )
    yield from _time(options, int(found["seconds"] or 60) if found else 0)
    yield from _driver(file)
    yield from _log(options)
    for command, _call in file.calls_of("ray", "stop"):
        yield error(
            command.where,
            "ray stop",
            "leave it out: it ends every Ray of this user on the node, other studies' too",
        )
    if "array" in options:
        for command, call in file.calls_of("scontrol", "requeue"):
            if any(word in ("$SLURM_JOB_ID", "${SLURM_JOB_ID}") for word in call.words):
                yield error(
                    command.where,
                    "scontrol requeue $SLURM_JOB_ID",
                    "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID: the id of one task is that of the whole array, which "
                    "would go back into the queue",
                )
    for command, call in file.calls:
        if call.program in ("srun", "mpirun") and any(
            word.rpartition("/")[2] == "respsweep" for word in call.words
        ):
            yield error(
                command.where,
                call.program,
                "respsweep without it: under srun the end of a job reaches all of Ray at once, and epochs are lost",
            )


def _time(options: dict[str, str] | object, notice_s: int) -> Iterator[Finding]:
    assert isinstance(options, dict)
    if "time" not in options:
        yield warning(
            "#SBATCH --time",
            "not given",
            "a limit: short jobs start sooner, and the site's default may be minutes",
        )
        return
    try:
        seconds = seconds_of(str(options["time"]))
    except ValueError as fault:
        yield error("#SBATCH --time", str(options["time"]), str(fault).removeprefix("must be "))
        return
    if seconds < notice_s + LEAST_BEYOND_NOTICE_S:
        yield error(
            "#SBATCH --time", str(options["time"]), "minutes beyond the notice that --signal asks for"
        )


def _driver(file: ClusterFile) -> Iterator[Finding]:
    if file.worker_types:
        return
    if "singleton" not in file.content.get("dependency", ""):
        yield warning(
            "#SBATCH --dependency",
            "not given",
            "singleton: a second driver of the study waits for the first one's end",
        )
    if "array" in file.content:
        yield error("#SBATCH --array", file.content["array"], "leave it out: a study has one driver")
    for command, call in (*file.calls_of("respsweep", "run"), *file.calls_of("respsweep", "finish")):
        if call.option("--address") is None:
            yield error(
                command.where, "no --address", "--address head: else units train in the driver's own job"
            )


def _log(options: dict[str, str] | object) -> Iterator[Finding]:
    assert isinstance(options, dict)
    output = options.get("output")
    if not isinstance(output, str) or not output:
        return
    folder = Path(output).parent
    if "%" not in str(folder) and folder.is_absolute() and not folder.is_dir():
        yield error(
            "#SBATCH --output",
            str(folder),
            "a folder that exists: SLURM ends a job whose log it cannot write",
        )
