"""`respsweep cluster slurm`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sweep.commands.cluster_check import findings_table
from sweep.commands.console import console, say
from sweep.commands.options import (
    STUDIES,
    GivenDataOption,
    SettingsOption,
    SpaceArgument,
    StudiesOption,
    TaskOption,
    changed_settings,
)


def slurm(
    space: SpaceArgument = None,
    data: GivenDataOption = None,
    task: TaskOption = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the study; default: that of the file. One that exists goes on."),
    ] = None,
    finish: Annotated[
        str | None, typer.Option(help="In place of a study file: the study to finish, by its name.")
    ] = None,
    settings: SettingsOption = None,
    workers: Annotated[int | None, typer.Option(min=1, help="One-node jobs that train at a time.")] = None,
    time: Annotated[str | None, typer.Option(help="Of each worker job, e.g. 4:00:00.")] = None,
    gres: Annotated[str | None, typer.Option(help="Of a worker, e.g. gpu:1.")] = None,
    cpus: Annotated[int | None, typer.Option(min=1, help="Processors of a worker.")] = None,
    memory: Annotated[str | None, typer.Option(help="Of a worker, e.g. 32G.")] = None,
    partition: Annotated[str | None, typer.Option(help="Partition of workers, and of the driver.")] = None,
    account: Annotated[str | None, typer.Option(help="Account that pays.")] = None,
    driver_time: Annotated[
        str | None,
        typer.Option("--driver-time", help="Of each driver job, e.g. 12:00:00; default: two days."),
    ] = None,
    site: Annotated[
        Path | None, typer.Option("--site", help="Settings of the site; default: slurm.yaml, where it is.")
    ] = None,
    submit: Annotated[
        bool, typer.Option("--submit", help="Submit both jobs, and not only write them.")
    ] = False,
    studies: StudiesOption = STUDIES,
) -> None:
    """Write the batch scripts with which a study runs on SLURM, and submit them if asked.

    The driver is a small job that goes on in its next one when its time is up; workers are jobs of one node each, which
    join and leave as the queue lets them. Called again, it replaces the scripts; a study that exists goes on.
    """
    from data.settings import ConfigError, parse
    from sweep.cluster.check import check_cluster_file
    from sweep.cluster.slurm import SlurmConfig, SlurmStudy, StudyJobs, read_site, write_scripts
    from sweep.cluster.slurm_queue import submit as submit_jobs
    from sweep.cluster.surroundings import Surroundings, UnitNeeds
    from sweep.driver.which_study import choose_study
    from sweep.evaluation.finish import finishing_folder, finishing_study
    from sweep.folder.study_folder import StudyFolder

    options: dict[str, Any] = {
        "workers": workers,
        "time": time,
        "gres": gres,
        "cpus": cpus,
        "memory": memory,
        "partition": partition,
        "account": account,
        "driver_time": driver_time,
    }
    given = {field: value for field, value in options.items() if value is not None}
    config = parse(SlurmConfig, {**read_site(site), **given}, str(site or "slurm.yaml and options"))

    changes = changed_settings(settings, data, task, None)
    if finish is not None:
        if space is not None or changes or name is not None:
            raise ConfigError(
                "--finish names a study that is trained as it says, so leave out file, name and settings"
            )
        searched = StudyFolder.open(studies, finish)
        study, folder = finishing_study(searched, None, None), finishing_folder(searched)
        driver = ["finish", finish]
    else:
        folder, study = choose_study(studies, space, name, None, changes)
        assert space is not None, "settings were read from it"
        driver = ["run", str(space.absolute()), "--name", folder.name]
        driver += ["--data", str(Path(data).absolute())] if data is not None else []
        driver += ["--task", task] if task is not None else []
        driver += [word for setting in settings or [] for word in ("--set", setting)]
    if folder.uri is not None:
        raise ConfigError(
            f"--studies {studies}: workers find the driver by a folder that all nodes see; give a path on shared storage"
        )
    place = folder.path.absolute()
    needs = study.resources
    jobs = SlurmStudy(
        jobs=StudyJobs(place),
        driver=[*driver, "--studies", str(place.parent)],
        program=Path(sys.prefix) / "bin" / "respsweep",
        folder=Path.cwd(),
        unit=UnitNeeds(str(space or finish), needs.cpu, needs.gpu),
    )
    scripts = write_scripts(jobs, config)
    surroundings = Surroundings.here(jobs.unit)
    faults = 0
    for script in scripts:
        report = check_cluster_file(script, surroundings)
        if report.findings:
            console().print(findings_table(report.findings))
        say(f"{script}: {report.summary}")
        faults += report.errors
    if faults:
        raise typer.Exit(1)
    if submit:
        first, second = submit_jobs(*scripts)
        say(f"submitted: driver {first}, workers {second}")
        say(
            f"how it goes: respsweep cluster status {folder.arguments}\n"
            f"end it: respsweep cluster stop {folder.arguments}"
        )
    else:
        after = f"--dependency=after:$(sbatch --parsable {scripts[0]}) --kill-on-invalid-dep=yes"
        say(f"submit both: the same command with --submit; or: sbatch {after} {scripts[1]}")
