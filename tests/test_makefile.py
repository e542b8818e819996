"""What `make sweep` would run, asked of make itself."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def sweep(*settings: str) -> str:
    make = shutil.which("make")
    assert make is not None
    asked = [make, "--no-print-directory", "-n", "-o", ".venv/ready", "sweep", *settings]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def test_without_recordings_the_quickstart_is_searched() -> None:
    assert sweep().split()[1:] == ["run", "search_spaces/quickstart.yaml"]


@pytest.mark.parametrize("folder", ["train_wav", "train2022_wav", "BioCAS2022/train2022_wav"])
def test_recordings_in_sprsounds_folders_have_a_search_space_of_their_own(
    tmp_path: Path, folder: str
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    line = sweep(f"DATA={tmp_path}", "NAME=first").split()[1:]
    assert line == f"run search_spaces/sprsound_quick.yaml --name first --data {tmp_path}".split()


def test_other_recordings_are_searched_with_the_quickstart_and_a_named_space_goes_before_all(
    tmp_path: Path,
) -> None:
    assert "search_spaces/quickstart.yaml" in sweep(f"DATA={tmp_path}")
    (tmp_path / "train_wav").mkdir()
    assert "run mine.yaml" in sweep(f"DATA={tmp_path}", "SPACE=mine.yaml")
