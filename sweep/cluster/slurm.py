"""Batch scripts for SLURM: a small job that drives a study, and an array of one-node jobs that come and go."""

from __future__ import annotations

import hashlib
import math
import re
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from data.atomic import make_folder, write_whole
from data.settings import Config, ConfigError, parse, read_yaml
from sweep.cluster.surroundings import UnitNeeds

HEAD_FILE = "head.json"
"""Where workers find the driver, in the study's folder (`sweep.execution.head_file`)."""
SITE_FILE = "slurm.yaml"
"""Settings of a site, read from the folder in which the command is called."""
TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")
GPUS = re.compile(r"(?:^|,)(?:gres/)?gpu(?::[A-Za-z][\w.-]*)?(?:[:=](?P<count>\d+))?(?=,|$|\()")
LEAST_BEYOND_NOTICE_S = 60


class SlurmConfig(Config):
    """What a site and a study ask of SLURM; `slurm.yaml` has these fields, and options of the command replace them."""

    workers: int = Field(default=4, ge=1, le=10_000, description="one-node jobs that train at a time")
    time: str = Field(default="4:00:00", description="of each worker job: MM, HH:MM:SS or D-HH:MM:SS")
    driver_time: str = Field(default="2-00:00:00", description="of each driver job")
    partition: str | None = Field(default=None, description="of workers; null: the site's default")
    driver_partition: str | None = Field(default=None, description="of the driver; null: that of workers")
    account: str | None = Field(default=None, description="that pays")
    qos: str | None = Field(default=None, description="quality of service")
    constraint: str | None = Field(default=None, description="features that a worker's node must have")
    gres: str | None = Field(default=None, description="of a worker: gpu:1, gpu:a100:2")
    cpus: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="of a worker; null: what the units that its GPUs take need, or one unit",
    )
    memory: str | None = Field(default=None, description="of a worker: 32G; null: the site's default")
    driver_cpus: int = Field(default=2, ge=1, le=1000, description="of the driver")
    driver_memory: str | None = Field(default="8G", description="of the driver; null: the site's default")
    notice_s: int = Field(
        default=120,
        ge=30,
        le=3600,
        description="s before the end of a job's time at which SLURM is asked to tell it",
    )
    give_up_minutes: float = Field(
        default=60.0, gt=0, le=100_000, description="without a driver, after which a worker ends"
    )
    options: tuple[str, ...] = Field(
        default=(), description="more options of sbatch for all jobs: --exclude=node7"
    )
    setup: tuple[str, ...] = Field(
        default=(), description="lines of shell before respsweep: module load cuda"
    )

    @field_validator("time", "driver_time")
    @classmethod
    def _is_a_time(cls, time: str) -> str:
        seconds_of(time)
        return time

    @field_validator("options")
    @classmethod
    def _are_options(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for option in options:
            if not re.fullmatch(r"--[a-z][a-z-]*(=\S.*)?", option):
                raise ValueError(
                    f"must be options of sbatch with two dashes, as --exclude=node7, got {option!r}"
                )
        return options

    @model_validator(mode="after")
    def _fits_lines(self) -> SlurmConfig:
        for field, value in self:
            for text in value if isinstance(value, tuple) else (value,):
                if isinstance(text, str) and (not text.strip() or any(mark in text for mark in "\n\r\0")):
                    raise ValueError(f"{field}: must be text on one line, or null, got {text!r}")
        for field in ("time", "driver_time"):
            least = self.notice_s + LEAST_BEYOND_NOTICE_S
            if seconds_of(getattr(self, field)) < least:
                raise ValueError(
                    f"{field}: must be {least} s at least, notice_s and a minute to train in, got {getattr(self, field)}"
                    f"{self.by_default(field)}"
                )
        return self

    @property
    def gpus(self) -> int:
        """GPUs of a worker, by `gres`."""
        return sum(int(found["count"] or 1) for found in GPUS.finditer(self.gres or ""))


def read_site(path: Path | None) -> dict[str, object]:
    """Read a site's settings; none where no file is named and there is no `slurm.yaml` here. Raises ConfigError."""
    if path is None:
        path = Path(SITE_FILE)
        if not path.exists():
            return {}
    content = read_yaml(path)
    parse(SlurmConfig, content, str(path))
    return content


def seconds_of(time: str) -> int:
    """Read a time as SLURM does: minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM or D-HH:MM:SS. Raises ValueError."""
    found = TIME.fullmatch(time.strip())
    if found is None:
        raise ValueError(f"must be MM, HH:MM:SS or D-HH:MM:SS, got {time!r}")
    first, second, third = (None if part is None else int(part) for part in found.group(2, 3, 4))
    assert first is not None
    if found["days"] is not None:
        return 86_400 * int(found["days"]) + 3600 * first + 60 * (second or 0) + (third or 0)
    if second is None:
        return 60 * first
    return 60 * first + second if third is None else 3600 * first + 60 * second + third


@dataclass(frozen=True)
class StudyJobs:
    """The SLURM jobs of one study, known by their names. `place`: the study's folder, absolute."""

    place: Path

    @property
    def scripts(self) -> Path:
        """The folder of the scripts and logs, beside the studies."""
        return self.place.parent / ".slurm" / self.place.name

    def name(self, role: str) -> str:
        """Name the jobs of a role, `driver` or `worker`; a study of the same name in another folder has other names."""
        digest = hashlib.sha256(str(self.place).encode()).hexdigest()[:6]
        return f"respsweep-{self.place.name}-{digest}-{role}"


@dataclass(frozen=True)
class SlurmStudy:
    """What the jobs of a study do.

    `driver`: words of the command that runs the study, without its address. `program`: the `respsweep` of this clone.
    `folder`: where both are called. `unit`: what a unit needs.
    """

    jobs: StudyJobs
    driver: Sequence[str]
    program: Path
    folder: Path
    unit: UnitNeeds


def write_scripts(study: SlurmStudy, config: SlurmConfig) -> tuple[Path, Path]:
    """Write the driver's script and that of the workers, and return their paths.

    Raises ConfigError where a unit finds no room on a worker, or a path has characters that SLURM would read as others.
    """
    for path in (study.jobs.scripts, study.folder):
        if re.search(r"[%\\\s]", str(path)):
            raise ConfigError(
                f"{path}: SLURM reads % and \\ in the names of logs in its own way, and a space ends them; take a "
                "folder without these"
            )
    cpus = worker_cpus(study.unit, config)
    make_folder(study.jobs.scripts)
    driver, workers = study.jobs.scripts / "driver.sbatch", study.jobs.scripts / "workers.sbatch"
    write_whole(driver, driver_script(study, config))
    write_whole(workers, worker_script(study, config, cpus))
    return driver, workers


def worker_cpus(unit: UnitNeeds, config: SlurmConfig) -> int:
    """Count the processors of a worker: as given, or what the units need that run on it. Raises ConfigError."""
    if unit.gpu and config.gpus < unit.gpu:
        raise ConfigError(
            f"a unit of {unit.source} needs {unit.gpu:g} GPU, and a worker has {config.gpus}: give --gres gpu:1, or set "
            "resources.gpu to 0 to train on CPUs"
        )
    units = math.floor(config.gpus / unit.gpu + 1e-9) if unit.gpu else 1
    needed = max(1, math.ceil(units * unit.cpu - 1e-9))
    if config.cpus is not None and config.cpus < unit.cpu:
        raise ConfigError(
            f"a unit of {unit.source} needs {unit.cpu:g} CPU, and a worker has {config.cpus}: give more --cpus, or set "
            "resources.cpu lower"
        )
    return needed if config.cpus is None else config.cpus


def driver_script(study: SlurmStudy, config: SlurmConfig) -> str:
    """Write the script of the job that holds the study: one node, no GPU, one at a time, again when its time is up."""
    partition = config.driver_partition or config.partition
    lines = [
        f"--job-name={study.jobs.name('driver')}",
        *_options(partition=partition, account=config.account, qos=config.qos),
        "--nodes=1 --ntasks=1",
        f"--cpus-per-task={config.driver_cpus}",
        *_options(mem=config.driver_memory),
        f"--time={config.driver_time}",
        "--dependency=singleton",
        *_of_all_jobs(study, config, "driver-%j.log"),
    ]
    return _script(
        f"The driver of the study {study.jobs.place}: one at a time, and again when its time is up.",
        f"Submit: sbatch {shlex.quote(str(study.jobs.scripts / 'driver.sbatch'))}",
        lines,
        study,
        config,
        [str(study.program), *study.driver, "--address", "head"],
        _after_the_driver(study.jobs),
    )


def _after_the_driver(jobs: StudyJobs) -> str:
    head = shlex.quote(str(jobs.place / HEAD_FILE))
    driver, workers = shlex.quote(jobs.name("driver")), shlex.quote(jobs.name("worker"))
    return textwrap.dedent(f"""\
        # What a driver that was killed leaves; another driver's is not ours to remove.
        if grep -qs "\\"job\\": \\"$SLURM_JOB_ID\\"" {head}; then rm -f {head}; fi
        # A driver that failed comes back only by hand, and its workers would wait for it, unless another one is there,
        # or waits for this one to end.
        drivers=$(squeue --noheader --user="$(id -u)" --name={driver} --format=%A 2> /dev/null)
        others=$(grep -cvx -e "$SLURM_JOB_ID" -e "" <<< "$drivers")
        if [ $status != 0 ] && [ $status != 75 ] && [ ! "$again$told" ] && [ ! -e {head} ] && [ "$others" = 0 ]; then
            scancel --user="$(id -u)" --name={workers}
        fi
    """)


def worker_script(study: SlurmStudy, config: SlurmConfig, cpus: int) -> str:
    """Write the script of the workers: jobs of one node each, which join and leave one by one."""
    lines = [
        f"--job-name={study.jobs.name('worker')}",
        f"--array=1-{config.workers}",
        *_options(
            partition=config.partition, account=config.account, qos=config.qos, constraint=config.constraint
        ),
        "--nodes=1 --ntasks=1",
        f"--cpus-per-task={cpus}",
        *_options(mem=config.memory, gres=config.gres),
        f"--time={config.time}",
        *_of_all_jobs(study, config, "worker-%A_%a.log"),
    ]
    command = ["cluster", "worker", study.jobs.place.name, "--studies", str(study.jobs.place.parent)]
    return _script(
        f"Workers of the study {study.jobs.place}: each joins when its job starts, and leaves before it ends.",
        f"Submit: sbatch {shlex.quote(str(study.jobs.scripts / 'workers.sbatch'))}",
        lines,
        study,
        config,
        [
            *(str(study.program), *command),
            *("--give-up", f"{config.give_up_minutes:g}", "--notice", str(config.notice_s)),
        ],
    )


def _options(**values: str | None) -> Iterator[str]:
    for name, value in values.items():
        if value is not None:
            yield f"--{name}={value}"


def _of_all_jobs(study: SlurmStudy, config: SlurmConfig, log: str) -> Iterator[str]:
    yield f"--signal=B:USR1@{config.notice_s}"
    yield "--requeue --open-mode=append"
    yield f"--output={study.jobs.scripts / log}"
    yield f"--comment=respsweep:{study.jobs.place.name}"
    yield from config.options


def _script(
    what: str,
    how: str,
    options: Sequence[str],
    study: SlurmStudy,
    config: SlurmConfig,
    command: Sequence[str],
    after: str = "",
) -> str:
    setup = "".join(f"{line}\n" for line in config.setup)
    header = "\n".join(f"#SBATCH {line}" for line in options)
    return (
        f"#!/bin/bash\n# {what}\n# Written by respsweep cluster slurm. {how}\n{header}\n\n"
        f"cd {shlex.quote(str(study.folder))} || exit 1\n"
        # Nodes of a cluster have no way out; weights were fetched before (respsweep fetch).
        "export HF_HUB_OFFLINE=1\n"
        f"{setup}"
        + textwrap.dedent("""
            # Signals come to this shell alone, which passes them on: USR1 when the time is nearly up, TERM when the
            # job is cancelled or preempted.
            again= told= child= early=
            pass_on() {{ if [ "$child" ]; then kill -$1 $child; else early="$early $1"; fi; }}
            trap 'again=yes; pass_on USR1' USR1
            trap 'told=yes; pass_on TERM' TERM
            {command} &
            child=$!
            for signal in $early; do kill -$signal $child; done
            while kill -0 $child 2> /dev/null; do wait $child; done
            wait $child
            status=$?
            {after}# With its time nearly up, and work left, the job goes back into the queue. The id of one task of an
            # array is that of the whole array too, so a task is called by its number.
            task=${{SLURM_ARRAY_JOB_ID:+${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID}}
            if [ "$again" ] && [ $status != 0 ]; then scontrol requeue "${{task:-$SLURM_JOB_ID}}"; fi
            exit $status
        """).format(command=shlex.join(command), after=after)
    )
