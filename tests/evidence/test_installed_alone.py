"""The folder `evidence` is a distribution by itself, with numpy as its one dependency."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "evidence"


def test_its_wheel_holds_every_module_and_needs_numpy_alone(tmp_path: Path) -> None:
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run([*build, "--wheel-dir", str(tmp_path), str(FOLDER)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"evidence/{path.name}" for path in FOLDER.glob("*.py")} <= names
    assert wheel.stat().st_size < 100_000
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["numpy"]
    assert project["scripts"] == {"respsweep-verify": "evidence.verify:main"}
