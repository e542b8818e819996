"""A small data set in ICBHI's layout, to be broken in one place at a time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROWS = "0.1\t0.6\t0\t0\n0.6\t1.2\t1\t0\n1.2\t1.9\t0\t1\n"
NAMES = {
    "301_1b1_Al_sc_Meditron": "train",
    "302_1b1_Pr_sc_Litt3200": "train",
    "303_1b1_Tc_mc_AKGC417L": "test",
}


@pytest.fixture
def write_recording() -> Callable[..., Path]:
    """Writes two seconds of noise and three cycles; returns the path of the audio."""

    def write(
        folder: Path,
        name: str,
        *,
        rows: str = ROWS,
        rate: int = 4000,
        seconds: float = 2.0,
        suffix: str = ".wav",
    ) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(len(name)).uniform(-0.5, 0.5, round(rate * seconds))
        soundfile.write(folder / f"{name}{suffix}", noise, rate, subtype="PCM_16")
        (folder / f"{name}.txt").write_text(rows)
        return folder / f"{name}{suffix}"

    return write


@pytest.fixture
def recordings(tmp_path: Path, write_recording: Callable[..., Path]) -> Path:
    """A folder with three recordings, two in train and one in test, and their split."""
    folder = tmp_path / "recordings"
    for name in NAMES:
        write_recording(folder, name)
    (folder / "official_split.txt").write_text("".join(f"{name}\t{part}\n" for name, part in NAMES.items()))
    return folder
