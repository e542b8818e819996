"""`respsweep plan`: what it says before a study runs, and that it leaves nothing."""

import json
from pathlib import Path

import pytest

from tests.sweep.command_line import changed, respsweep, written


def everything(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_a_plan_is_shown_and_nothing_is_kept(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    written("study.yaml", changed(data=None, budget={"configurations": 3}))
    before = everything(tmp_path)
    arguments = ("plan", "study.yaml", "--workers", 2, "--price", 1.5, "--repeats", 2)
    assert respsweep(monkeypatch, *arguments, "--set", "data={patients: 12}") == 0
    shown = capfd.readouterr().out
    assert "patch_mix.temperature  0.05 to 0.5" in shown
    assert "money, at 1.5 an hour" in shown
    assert "timed here on the CPU, 1 thread, with no. 0: a step " in shown
    assert "not known" not in shown
    assert everything(tmp_path) == before


def test_a_plan_of_what_would_be_refused_ends_with_1_and_says_all_of_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = {"backbone": {"variant": "tiny", "pretrained": "gone.pth"}}
    written("study.yaml", changed(data="nowhere", recipe=recipe, resources={"cpu": 4000}))
    assert respsweep(monkeypatch, "plan", "study.yaml", "--repeats", 1) == 1
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("missing: ")]
    assert [line.split()[1] for line in lines] == ["nowhere:", "gone.pth:", "a"]
    assert "a unit needs 4000 CPU" in lines[2]
    sampler = {"name": "cmaes", "arguments": {"popsize": 1}}
    written("study.yaml", changed(sampler=sampler))
    assert respsweep(monkeypatch, "plan", "study.yaml") == 1
    assert "study.yaml: sampler.arguments: popsize: " in capfd.readouterr().err


def test_a_plan_is_written_for_programs(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    written("study.yaml", changed())
    arguments = ("plan", "study.yaml", "--no-probe", "--repeats", 1, "--configurations", 2)
    assert respsweep(monkeypatch, *arguments, "--format", "json") == 0
    content = json.loads(capfd.readouterr().out)
    assert (content["cost"]["configurations"], content["cost"]["hours"], content["steps"]) == (2, None, None)


def test_times_are_said_once(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    written("study.yaml", changed())
    assert respsweep(monkeypatch, "plan", "study.yaml", "--from", "done", "--epoch-seconds", 3) == 1
    assert "error: --from and --epoch-seconds: " in capfd.readouterr().err
