"""The commands on recordings, as people type them."""

import shutil
from pathlib import Path

import pytest

from tests.data.conftest import CHILDREN, write_child
from tests.sweep.command_line import respsweep, written


def test_synthetic_breaths_are_written_and_counted(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert respsweep(monkeypatch, "synth", "made", "--patients", 10) == 0
    assert respsweep(monkeypatch, "data", "made") == 0
    printed = capfd.readouterr().out
    assert "train devices: AKGC417L" in printed
    assert respsweep(monkeypatch, "synth", "made") == 1
    assert "made: there is something already" in capfd.readouterr().err


@pytest.mark.filterwarnings("default::UserWarning")
def test_names_of_recordings_steer_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], breaths: Path
) -> None:
    hostile = Path(shutil.copytree(breaths, "hostile"))
    for path in list(hostile.glob("*_AKGC417L.*")):
        path.rename(path.with_name(path.name.replace("AKGC417L", "\x1b[31m[red]DEV")))
    split = hostile / "official_split.txt"
    split.write_text(split.read_text().replace("AKGC417L", "\x1b[31m[red]DEV"))
    for arguments in (("data", "hostile"), ("data", "hostile", "--task", "\x1b[31m")):
        respsweep(monkeypatch, *arguments)
        printed, told = capfd.readouterr()
        assert r"\x1b[31m" in printed + told
        assert "\x1b" not in printed + told
    first = min(hostile.glob("*DEV.txt"))
    first.write_text("0\t1\t\x1b[2J\n")
    assert respsweep(monkeypatch, "data", "hostile") == 1
    told = capfd.readouterr().err
    assert told.startswith(f"error: {str(first).partition(chr(27))[0]}\\x1b[31m[red]DEV.txt")
    assert told.count("\n") == 1
    assert "\x1b" not in told


@pytest.mark.filterwarnings("default:.*a subset")
def test_data_with_several_tasks_are_read_for_the_one_that_is_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, content in CHILDREN.items():
        write_child(tmp_path / "children", name, *content)
    assert respsweep(monkeypatch, "data", tmp_path / "children") == 1
    assert "these recordings have the tasks icbhi, 1-1, 1-2, 2-1, 2-2; name one" in capfd.readouterr().err
    assert respsweep(monkeypatch, "data", tmp_path / "children", "--task", "2-2") == 0
    printed, warned = capfd.readouterr()
    assert "a subset: 5 of the 2683 recordings of SPRSound 2022" in warned
    assert "CAS & DAS" in printed
    assert "missing: train: 3 of 1949 recordings" in printed


def test_synthetic_breaths_are_not_held_against_a_published_database(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], breaths: Path
) -> None:
    assert respsweep(monkeypatch, "data", breaths) == 0
    printed = capfd.readouterr().out
    assert "of no published database: synthetic breaths, or recordings of your own" in printed
    assert "missing" not in printed


def test_a_wrong_recipe_is_refused_before_any_audio_is_read(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = written("recipe.yaml", {"smoothing": {"kernel_size": 4}})
    assert respsweep(monkeypatch, "train", recipe, "--data", "nowhere") == 1
    error = capfd.readouterr().err
    assert error.startswith("error: recipe.yaml: smoothing.kernel_size: ")
    assert error.count("\n") == 1
