"""Synthetic recordings, made once in each process: to make them takes longer than most tests that train on them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from data import synthetic
from data.synthetic import Patient

MAKE = synthetic._write_all
"""What makes them, whether the same were made before or not."""


@pytest.fixture(scope="session", autouse=True)
def _breaths_are_made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where the same patients are written again, by this process, copy the files of the first time."""
    kept = tmp_path_factory.mktemp("breaths")

    def write(folder: Path, patients: Sequence[Patient], recordings: int, cycles: tuple[int, int]) -> None:
        asked = [vars(patient) | {"rng": patient.rng.bit_generator.state} for patient in patients]
        made = kept / sha256(repr((asked, recordings, cycles)).encode()).hexdigest()
        if not made.exists():
            draft = Path(tempfile.mkdtemp(dir=kept))
            MAKE(draft, patients, recordings, cycles)
            draft.rename(made)
        shutil.copytree(made, folder, dirs_exist_ok=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "_write_all", write)
        yield
