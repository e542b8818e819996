"""The one command that proves a GPU, dry: every section runs on tiny sizes here, and none stops the others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer

from benchmarks import gpu_check
from benchmarks.gpu_check import Result, run, summary

Found = gpu_check.Found
Training = gpu_check.gpu_unit.Training
CPU = torch.device("cpu")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["doctor", "scans", "unit", "steps", "graphs", "kernels", "suspects", "together"]
)
def test_a_section_runs_dry_on_a_cpu(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "doctor":
        # Users have no interpreter, in which the doctor's test of the scan takes minutes.
        monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    result = run(gpu_check.SECTIONS[name], CPU)
    assert result.state == "well", capsys.readouterr().out
    assert result.found.line


def test_what_a_section_lacks_is_told_and_is_no_failure() -> None:
    result = run(gpu_check.SECTIONS["memory"], CPU)
    assert result.state.startswith("not run: a CPU pages")


def test_a_paused_unit_that_ends_otherwise_fails_its_section(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Training.run_epoch
    calls = iter([1.0, 1.5])

    def drifting(training: Training):
        metrics = original(training)
        object.__setattr__(metrics, "train_loss", metrics.train_loss * next(calls))
        return metrics

    monkeypatch.setattr(Training, "run_epoch", drifting)
    assert run(gpu_check.SECTIONS["unit"], CPU).state.startswith(
        "FAILED: AssertionError: ['the loss is off by 5.0e-01'"
    )


def test_a_section_that_fails_is_told_and_the_next_one_runs(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(device: torch.device) -> Found:
        raise RuntimeError("no kernel image is available\nfor this device")

    def away(device: torch.device) -> Found:
        raise gpu_check.NotHereError("no MPS")

    results = {
        "broken": run(broken, CPU),
        "away": run(away, CPU),
        "well": run(lambda device: Found("fine"), CPU),
    }
    assert summary(results, 1.0, CPU) == 1
    out = capsys.readouterr().out
    assert "| broken | FAILED: RuntimeError: ['no kernel image is available'] |" in out
    assert "| away | not run: no MPS |" in out
    assert re.search(r"\| well \| well \| \d+ \| fine \|", out)
    assert "failed: broken: FAILED" in out


def test_bars_hold_on_a_gpu_alone(capsys: pytest.CaptureFixture[str]) -> None:
    missed = {"steps": Result("well", Found("slow", ("small: 100 ms a step, above 60",)))}
    assert summary(missed, 1.0, CPU) == 0
    assert "bars are for a GPU" in capsys.readouterr().out
    assert summary(missed, 1.0, torch.device("cuda")) == 1
    assert "missed: small: 100 ms a step, above 60" in capsys.readouterr().out


def test_bars_are_those_of_a_step() -> None:
    bars = list(gpu_check.gpu_step._step_bars("small", milliseconds=59.0, host=58.0, waits=0))
    assert bars == []
    bars = list(gpu_check.gpu_step._step_bars("medium", milliseconds=96.0, host=97.0, waits=2))
    assert [bar.partition(":")[2].split()[0] for bar in bars] == ["96", "the", "2"]


def test_a_graph_has_to_go_on_without_a_warning_and_to_the_same_loss() -> None:
    bars = gpu_check.gpu_graph.graph_bars
    assert list(bars("small", 1e-4, [])) == []
    given_up = "no training step is replayed from a CUDA graph any more"
    assert list(bars("small", 2e-3, [given_up])) == [
        f"small: {given_up}",
        "small: replayed, the loss of an epoch is off by 2.0e-03, above 0.001",
    ]
    assert len(list(bars("small", float("nan"), []))) == 1


def test_what_a_bare_machine_lacks_is_named_with_its_version() -> None:
    # A process of its own: what other tests have imported is not what the check imports.
    script = Path(gpu_check.__file__)
    words = [sys.executable, str(script), "--carry"]
    told = subprocess.run(words, cwd=script.parents[1], capture_output=True, text=True, check=True).stdout
    named = dict(line.split("==") for line in told.splitlines())
    assert {"pydantic", "pydantic-core", "soundfile"} <= named.keys()
    assert not {"torch", "triton", "numba", "ray", "mlflow", "optuna"} & named.keys()


def test_a_section_that_does_not_exist_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="no section kernel; there are doctor, scans"):
        gpu_check.main(only=["kernel"], device="cpu")


def test_on_a_gpu_tests_that_are_all_skipped_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def skipped(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, 0, "== 34 skipped in 1.00s ==\n", "")

    monkeypatch.setattr(gpu_check.gpu_machine.subprocess, "run", skipped)
    assert run(gpu_check.SECTIONS["tests"], CPU).state == "well"
    with pytest.raises(AssertionError, match="no test ran: == 34 skipped"):
        gpu_check.gpu_machine.tests(torch.device("cuda"))
