import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from data.settings import ConfigError, parse
from sweep.cluster.check import check_cluster_file
from sweep.cluster.slurm import (
    SlurmConfig,
    SlurmStudy,
    StudyJobs,
    driver_script,
    read_site,
    seconds_of,
    worker_cpus,
    worker_script,
    write_scripts,
)
from sweep.cluster.surroundings import Surroundings, UnitNeeds
from sweep.execution.head_file import FILE, Head, write_head

UNIT = UnitNeeds("space.yaml", 4, 1)


@pytest.fixture
def study(tmp_path: Path) -> SlurmStudy:
    return SlurmStudy(
        StudyJobs(tmp_path / "studies" / "first"),
        ["run", "space.yaml", "--name", "first", "--set", "budget.configurations=40"],
        tmp_path / "respsweep",
        tmp_path,
        UNIT,
    )


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 5400),
        ("10:30", 630),
        ("4:00:00", 14_400),
        ("2-0", 172_800),
        ("1-12:30", 131_400),
        ("1-00:00:01", 86_401),
    ],
)
def test_times_are_read_as_slurm_reads_them(written: str, seconds: int) -> None:
    assert seconds_of(written) == seconds


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"time": "4h"}, r"^here: time: must be MM, HH:MM:SS or D-HH:MM:SS, got '4h'"),
        ({"time": "2:00"}, r"time: must be 180 s at least, notice_s and a minute to train in, got 2:00"),
        ({"partition": "gpu\n#SBATCH --uid=0"}, r"partition: must be text on one line, or null, got"),
        ({"setup": ["module load cuda", ""]}, r"setup: must be text on one line"),
        ({"options": ["-p gpu"]}, r"options.*: must be options of sbatch with two dashes"),
        ({"worker": 3}, r"worker: no such field; did you mean workers"),
    ],
)
def test_settings_that_make_no_script_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(SlurmConfig, settings, "here")


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [(None, 0), ("gpu", 1), ("gpu:2", 2), ("gpu:a100:4", 4), ("gres/gpu:2,shard:8", 2), ("gpumem:4", 0)],
)
def test_gpus_are_counted_as_gres_names_them(gres: str | None, gpus: int) -> None:
    assert SlurmConfig(gres=gres).gpus == gpus


def test_a_worker_has_the_processors_that_its_units_need() -> None:
    assert worker_cpus(UNIT, SlurmConfig(gres="gpu:2")) == 8
    assert worker_cpus(UnitNeeds("", 2, 0.25), SlurmConfig(gres="gpu:1")) == 8
    assert worker_cpus(UnitNeeds("", 1.5, 0), SlurmConfig()) == 2
    assert worker_cpus(UNIT, SlurmConfig(gres="gpu:1", cpus=16)) == 16


def test_a_unit_that_fits_on_no_worker_is_refused_with_what_to_change() -> None:
    with pytest.raises(
        ConfigError, match=r"space.yaml needs 1 GPU, and a worker has 0: give --gres gpu:1, or"
    ):
        worker_cpus(UNIT, SlurmConfig())
    with pytest.raises(ConfigError, match=r"needs 4 CPU, and a worker has 2: give more --cpus"):
        worker_cpus(UNIT, SlurmConfig(gres="gpu:1", cpus=2))


def test_scripts_hold_what_site_and_study_say_and_pass_the_check(study: SlurmStudy) -> None:
    config = SlurmConfig(
        workers=8,
        time="4:00:00",
        gres="gpu:1",
        account="lab",
        setup=("module load cuda",),
        options=("--nice=10",),
    )
    driver, workers = write_scripts(study, config)
    here = Surroundings.here(UNIT)
    for script in (driver, workers):
        assert check_cluster_file(script, here).findings == []
        text = script.read_text()
        assert "\nmodule load cuda\n" in text
        assert "#SBATCH --account=lab\n" in text
        assert "#SBATCH --nice=10\n" in text
        assert "#SBATCH --signal=B:USR1@120\n" in text
        assert "ray stop" not in text
    assert "#SBATCH --array=1-8\n" in workers.read_text()
    assert "#SBATCH --gres=gpu:1\n" in workers.read_text()
    assert "--gres" not in driver.read_text()
    assert "--dependency=singleton\n" in driver.read_text()
    assert "run space.yaml --name first --set budget.configurations=40 --address head &" in driver.read_text()


class Ended(NamedTuple):
    """What a driver's job leaves: its status, whether the address for workers is there, and what was cancelled."""

    status: int
    has_head: bool
    cancelled: str


@pytest.fixture
def end_a_driver(study: SlurmStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Runs the driver's script as job 7, with stand-ins for `respsweep`, a line of shell, and for SLURM's commands."""

    def end(
        does: str, job_of_head: str | None, sent: int | None = None, drivers: tuple[int, ...] = (7,)
    ) -> Ended:
        study.jobs.place.mkdir(parents=True)
        if job_of_head is not None:
            monkeypatch.setenv("SLURM_JOB_ID", job_of_head)
            write_head(study.jobs.place, Head.here("10.0.0.1:1", "secret", "10.0.0.1:2"))
        study.program.write_text(f"#!/bin/bash\ntouch ready\n{does}\n")
        for command in ("scancel", "scontrol"):
            (tmp_path / command).write_text(f'#!/bin/bash\necho "$@" > {command}.words\n')
        queue = "".join(f"echo {driver}\n" for driver in drivers)
        (tmp_path / "squeue").write_text(f'#!/bin/bash\necho "$@" > squeue.words\n{queue}')
        for program in (study.program, *(tmp_path / name for name in ("scancel", "scontrol", "squeue"))):
            program.chmod(0o755)
        (tmp_path / "job.sh").write_text(driver_script(study, SlurmConfig()))
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
        job = subprocess.Popen(["bash", "job.sh"], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
        while not (tmp_path / "ready").exists():
            time.sleep(0.02)
        if sent is not None:
            job.send_signal(sent)
        status, words = job.wait(30), tmp_path / "scancel.words"
        cancelled = words.read_text().strip() if words.exists() else ""
        return Ended(status, (study.jobs.place / FILE).exists(), cancelled)

    return end


def test_a_driver_that_was_killed_leaves_no_address_to_workers(end_a_driver: Callable[..., Ended]) -> None:
    status, has_head, _ = end_a_driver("kill -KILL $$", "7")
    assert status == 128 + signal.SIGKILL
    assert not has_head


def test_the_address_of_another_driver_is_left_alone_and_so_are_its_workers(
    end_a_driver: Callable[..., Ended],
) -> None:
    assert end_a_driver("exit 1", "77") == (1, True, "")


def test_workers_of_a_driver_that_failed_do_not_wait_for_it(
    end_a_driver: Callable[..., Ended], study: SlurmStudy
) -> None:
    cancelled = f"--user={os.getuid()} --name={study.jobs.name('worker')}"
    assert end_a_driver("exit 1", None) == (1, False, cancelled)


def test_workers_of_a_driver_that_failed_wait_for_one_that_waited_for_it(
    end_a_driver: Callable[..., Ended], study: SlurmStudy, tmp_path: Path
) -> None:
    assert end_a_driver("exit 1", None, drivers=(7, 77)) == (1, False, "")
    assert f"--name={study.jobs.name('driver')} " in (tmp_path / "squeue.words").read_text()


@pytest.mark.parametrize(
    ("does", "sent", "status"),
    [
        ("exit 0", None, 0),
        ("exit 75", None, 75),
        ("exec sleep 60", signal.SIGTERM, 128 + signal.SIGTERM),
        ("exec sleep 60", signal.SIGUSR1, 128 + signal.SIGUSR1),
    ],
)
def test_workers_of_a_driver_that_comes_back_wait_for_it(
    end_a_driver: Callable[..., Ended], does: str, sent: int | None, status: int
) -> None:
    assert end_a_driver(does, None, sent) == (status, False, "")


def test_workers_have_no_hand_in_the_drivers_address(study: SlurmStudy) -> None:
    script = worker_script(study, SlurmConfig(), cpus=1)
    assert "head.json" not in script
    assert "scancel" not in script


def test_jobs_of_studies_of_one_name_in_two_folders_have_two_names(tmp_path: Path) -> None:
    names = {StudyJobs(tmp_path / place / "first").name("driver") for place in ("mine", "yours")}
    assert len(names) == 2
    assert all(re.fullmatch(r"respsweep-first-[0-9a-f]{6}-driver", name) for name in names)


def test_a_folder_whose_name_slurm_would_read_otherwise_is_refused(study: SlurmStudy, tmp_path: Path) -> None:
    odd = SlurmStudy(StudyJobs(tmp_path / "100%" / "first"), study.driver, study.program, tmp_path, UNIT)
    with pytest.raises(ConfigError, match=r"100%.*: SLURM reads % .* take a folder without these"):
        write_scripts(odd, SlurmConfig(gres="gpu:1"))
    assert not (tmp_path / "100%").exists()


def test_a_task_of_an_array_requeues_itself_and_not_the_whole_array(
    study: SlurmStudy, tmp_path: Path
) -> None:
    """SLURM gives one task of each array the array's own id; `scontrol requeue` of that takes all tasks back."""
    study.program.write_text("#!/bin/bash\ntouch ready\nexec sleep 60\n")
    (tmp_path / "scontrol").write_text('#!/bin/bash\necho "$@" > requeued\n')
    for program in (study.program, tmp_path / "scontrol"):
        program.chmod(0o755)
    (tmp_path / "job.sh").write_text(worker_script(study, SlurmConfig(), cpus=1))
    ids = {"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **ids}
    job = subprocess.Popen(["bash", "job.sh"], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    while not (tmp_path / "ready").exists():
        time.sleep(0.02)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(30) == 128 + signal.SIGUSR1
    assert (tmp_path / "requeued").read_text() == "requeue 7_3\n"


def test_the_sites_file_is_checked_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_site(None) == {}
    (tmp_path / "slurm.yaml").write_text("partition: gpu\n")
    assert read_site(None) == {"partition": "gpu"}
    (tmp_path / "slurm.yaml").write_text("partitoin: gpu\n")
    with pytest.raises(ConfigError, match=r"^slurm.yaml: partitoin: no such field; did you mean partition"):
        read_site(None)


@pytest.mark.parametrize("script_of", [driver_script, partial(worker_script, cpus=1)])
@pytest.mark.parametrize(
    ("sent", "heard", "status", "requeued"),
    [
        (signal.SIGUSR1, "USR1", 75, True),
        (signal.SIGUSR1, "USR1", 0, False),
        (signal.SIGTERM, "TERM", 75, False),
        (None, "nothing", 3, False),
    ],
)
def test_the_shell_passes_signals_on_and_requeues_only_a_job_whose_time_is_up(
    study: SlurmStudy, tmp_path: Path, script_of, sent: int | None, heard: str, status: int, requeued: bool
) -> None:
    """The script itself, run by bash, with a stand-in for `respsweep` and for SLURM's `scontrol`."""
    study.program.write_text(
        "#!/bin/bash\n"
        "trap 'echo USR1 >> heard; end=yes' USR1\n"
        "trap 'echo TERM >> heard; end=yes' TERM\n"
        f"touch ready\n{'' if sent else 'end=yes'}\n"
        f"until [ $end ]; do sleep 0.05; done\nsleep 0.3\nexit {status}\n"
    )
    (tmp_path / "scontrol").write_text('#!/bin/bash\necho "$@" > requeued\n')
    for program in (study.program, tmp_path / "scontrol"):
        program.chmod(0o755)
    (tmp_path / "job.sh").write_text(script_of(study, SlurmConfig()))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
    job = subprocess.Popen(["bash", "job.sh"], cwd=tmp_path, env=environment)
    while not (tmp_path / "ready").exists():
        time.sleep(0.02)
    if sent is not None:
        job.send_signal(sent)
    assert job.wait(30) == status
    assert ((tmp_path / "heard").read_text().split() if sent else ["nothing"]) == [heard]
    assert (tmp_path / "requeued").exists() is requeued
    if requeued:
        assert (tmp_path / "requeued").read_text() == "requeue 7\n"
