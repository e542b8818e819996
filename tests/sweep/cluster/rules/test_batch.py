from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.cluster.check import check_cluster_file
from sweep.cluster.surroundings import Surroundings, UnitNeeds

HEADER = "#!/bin/bash\n#SBATCH --signal=B:USR1@120\n#SBATCH --requeue --time=4:00:00 --nodes=1\n"
WORKER = f"{HEADER}#SBATCH --cpus-per-task=4 --gres=gpu:1\nrespsweep cluster worker first\n"
DRIVER = (
    f"{HEADER}#SBATCH --dependency=singleton\n/opt/respsweep/bin/respsweep run space.yaml --address head\n"
    "cd /mnt/respsweep\n"
)
ARRAY = WORKER.replace("--nodes=1", "--nodes=1 --array=1-3") + (
    'if [ "$again" ]; then scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"; fi\n'
)


@pytest.fixture
def check(tmp_path: Path) -> Callable[[str], list[tuple[str, str]]]:
    """Level and place of what is found in a script."""

    def found(text: str) -> list[tuple[str, str]]:
        path = tmp_path / "job.sbatch"
        path.write_text(text)
        report = check_cluster_file(path, Surroundings.here(UnitNeeds("space.yaml", 4, 1)))
        return [(finding.level, finding.where) for finding in report.findings]

    return found


def test_scripts_with_nothing_wrong_are_fine(check) -> None:
    assert check(WORKER) == []
    assert check(DRIVER) == []
    assert check(ARRAY) == []


@pytest.mark.parametrize(
    ("script", "right", "wrong", "finding"),
    [
        (WORKER, "B:USR1@120", "USR1@120", ("error", "#SBATCH --signal")),
        (WORKER, "B:USR1@120", "B:USR1@10", ("error", "#SBATCH --signal")),
        (WORKER, "#SBATCH --signal=B:USR1@120\n", "", ("error", "#SBATCH --signal")),
        (WORKER, "--requeue ", "", ("warning", "#SBATCH --requeue")),
        (WORKER, "--nodes=1", "--nodes=4", ("error", "#SBATCH --nodes")),
        (WORKER, "--time=4:00:00", "", ("warning", "#SBATCH --time")),
        (WORKER, "--time=4:00:00", "--time=2:30", ("error", "#SBATCH --time")),
        (WORKER, "--time=4:00:00", "--time=4h", ("error", "#SBATCH --time")),
        (WORKER, "respsweep", "srun respsweep", ("error", "line 5")),
        (WORKER, "respsweep", "ray stop; respsweep", ("error", "line 5")),
        (WORKER, "gpu:1", "gpu:0", ("error", "#SBATCH.resources")),
        (WORKER, "--gres", "--output=/nowhere/x.log --gres", ("error", "#SBATCH --output")),
        (WORKER, "respsweep", "export HF_TOKEN=hf_" + 34 * "a" + "\nrespsweep", ("error", "line 5")),
        (DRIVER, "#SBATCH --dependency=singleton\n", "", ("warning", "#SBATCH --dependency")),
        (DRIVER, "--dependency", "--array=1-2 --dependency", ("error", "#SBATCH --array")),
        (DRIVER, " --address head", "", ("error", "line 5")),
        (ARRAY, "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID", "$SLURM_JOB_ID", ("error", "line 6")),
    ],
)
def test_a_spoilt_script_has_one_finding(check, script: str, right: str, wrong: str, finding) -> None:
    assert right in script
    assert check(script.replace(right, wrong, 1)) == [finding]
