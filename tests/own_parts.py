"""The modules of docs/own_parts.md, in a folder outside the repository, and coughs that they read."""

import csv
import re
from pathlib import Path

import numpy as np
import soundfile

PAGE = Path(__file__).parents[1] / "docs" / "own_parts.md"
LABELS = ("normal", "dry", "wet")
SAMPLE_RATE = 4000


def write_modules(folder: Path) -> None:
    """Write each module of the page to a file of the name that its first line says."""
    for name, text in re.findall(
        r"^```python\n# (\w+\.py)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL
    ):
        (folder / name).write_text(text)


def write_coughs(folder: Path, patients: int = 12) -> Path:
    """Write a recording of each patient, a cough of each label in it: noise, a tone, or both."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    with (folder / "coughs.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "patient", "age", "device", "start", "end", "label"])
        for patient in range(1, patients + 1):
            seconds = np.arange(SAMPLE_RATE) / SAMPLE_RATE
            noise, tone = 0.01 * rng.normal(size=SAMPLE_RATE), 0.3 * np.sin(2 * np.pi * 440 * seconds)
            coughs = noise, 20 * noise, noise + tone
            soundfile.write(folder / f"p{patient}.wav", np.concatenate(coughs), SAMPLE_RATE)
            for position, label in enumerate(LABELS):
                table.writerow(
                    [f"p{patient}.wav", patient, 30 + patient, "phone", position, position + 1, label]
                )
    return folder
