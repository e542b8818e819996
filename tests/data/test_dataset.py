import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data.dataset import census
from data.icbhi import read_icbhi


def test_the_content_hash_follows_content_and_not_place(recordings: Path, tmp_path: Path) -> None:
    before = read_icbhi(recordings).content_hash()
    moved = shutil.copytree(recordings, tmp_path / "elsewhere")
    assert read_icbhi(moved).content_hash() == before
    assert read_icbhi(moved).content_hash(tmp_path / "cache") == before


@pytest.mark.parametrize("change", ["audio", "annotation", "part"])
def test_the_content_hash_sees_every_change(recordings: Path, change: str) -> None:
    before = read_icbhi(recordings).content_hash()
    name = recordings / "301_1b1_Al_sc_Meditron"
    if change == "audio":
        soundfile.write(name.with_suffix(".wav"), np.full(8000, 0.25), 4000)
    elif change == "annotation":
        name.with_suffix(".txt").write_text("0.1\t0.6\t0\t1\n")
    else:
        split = recordings / "official_split.txt"
        split.write_text(split.read_text().replace("Litt3200\ttrain", "Litt3200\ttest"))
    assert read_icbhi(recordings).content_hash() != before


def test_a_census_counts_each_part(recordings: Path) -> None:
    counted = census(read_icbhi(recordings))
    assert counted.recordings == {"train": 2, "test": 1}
    assert counted.patients == {"train": 2, "test": 1}
    assert counted.cycles == {"train": (2, 2, 2, 0), "test": (1, 1, 1, 0)}
    assert counted.devices == {"train": {"Meditron": 1, "Litt3200": 1}, "test": {"AKGC417L": 1}}
