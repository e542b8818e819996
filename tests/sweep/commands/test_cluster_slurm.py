"""`respsweep cluster slurm` without `--submit`: what it says of the scripts that it has written."""

from pathlib import Path

import pytest

from tests.sweep.command_line import changed, respsweep, written


def test_scripts_that_are_submitted_by_hand_are_told_with_the_dependency_that_neither_holds(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = [written("study.yaml", changed()), "--name", "first", "--workers", "2"]
    assert respsweep(monkeypatch, "cluster", "slurm", *asked) == 0
    driver, workers = (
        Path("studies/.slurm/first").absolute() / f"{name}.sbatch" for name in ("driver", "workers")
    )
    assert "--dependency=after" not in driver.read_text() + workers.read_text()
    assert (
        f"or: sbatch --dependency=after:$(sbatch --parsable {driver}) --kill-on-invalid-dep=yes {workers}"
        in capfd.readouterr().out
    )
    # Two days, as docs/slurm.md says.
    assert "#SBATCH --time=2-00:00:00" in driver.read_text()
