import os
import re
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

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
from sweep.execution.head_file import FILE

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


def test_a_driver_that_was_killed_leaves_no_address_to_workers(study: SlurmStudy, tmp_path: Path) -> None:
    study.jobs.place.mkdir(parents=True)
    (study.jobs.place / FILE).touch()
    study.program.write_text("#!/bin/bash\nkill -KILL $$\n")
    study.program.chmod(0o755)
    (tmp_path / "job.sh").write_text(driver_script(study, SlurmConfig()))
    assert (
        subprocess.run(["bash", "job.sh"], cwd=tmp_path, capture_output=True).returncode
        == 128 + signal.SIGKILL
    )
    assert not (study.jobs.place / FILE).exists()
    assert "head.json" not in worker_script(study, SlurmConfig(), cpus=1)


def test_jobs_of_studies_of_one_name_in_two_folders_have_two_names(tmp_path: Path) -> None:
    names = {StudyJobs(tmp_path / place / "first").name("driver") for place in ("mine", "yours")}
    assert len(names) == 2
    assert all(re.fullmatch(r"respsweep-first-[0-9a-f]{6}-driver", name) for name in names)


def test_a_folder_whose_name_slurm_would_read_otherwise_is_refused(study: SlurmStudy, tmp_path: Path) -> None:
    odd = SlurmStudy(StudyJobs(tmp_path / "100%" / "first"), study.driver, study.program, tmp_path, UNIT)
    with pytest.raises(ConfigError, match=r"100%.*: SLURM reads % .* take a folder without these"):
        write_scripts(odd, SlurmConfig(gres="gpu:1"))
    assert not (tmp_path / "100%").exists()


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
