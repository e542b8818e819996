"""Small data sets in the layouts of ICBHI and SPRSound, to be broken in one place at a time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
        noise = np.random.default_rng([*name.encode()]).uniform(-0.5, 0.5, round(rate * seconds))
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


EVENTS = [
    {"start": "100", "end": "600", "type": "Normal"},
    {"start": "600", "end": "1200", "type": "Fine Crackle"},
    {"start": "1200", "end": "1900", "type": "Rhonchi"},
]
CHILDREN: dict[str, tuple[str, str, list[dict[str, Any]]]] = {
    "501_2.4_0_p1_1": ("train", "CAS & DAS", EVENTS),
    "501_2.5_0_p3_2": ("train", "Poor Quality", []),
    "502_14_1_p2_3": ("train", "Normal", EVENTS[:1]),
    "503_0.8_1_p4_4": ("inter", "DAS", [{"start": 0, "end": 1999.5, "type": "Wheeze+Crackle"}]),
    "502_14.1_1_p1_5": ("intra", "CAS", EVENTS[2:]),
}
"""Part, class and events of each recording, by name."""


def write_child(
    root: Path, name: str, part: str, record: str, events: list[dict[str, Any]], year: str = ""
) -> None:
    """Write two seconds of noise at 8 kHz and their annotation, in the folders that SPRSound has for a part."""
    side = "train" if part == "train" else "test"
    audio, annotations = root / f"{side}{year}_wav", root / f"{side}{year}_json"
    annotations = annotations if part == "train" else annotations / f"{part}_test_json"
    for folder in (audio, annotations):
        folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng([*name.encode()]).uniform(-0.5, 0.5, 16000)
    soundfile.write(audio / f"{name}.wav", noise, 8000, subtype="PCM_16")
    content = {"record_annotation": record, "event_annotation": events}
    (annotations / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture
def children(tmp_path: Path) -> Path:
    """Five recordings of three children in SPRSound's layout: three in train, one in each test."""
    for name, content in CHILDREN.items():
        write_child(tmp_path / "children", name, *content)
    return tmp_path / "children"
