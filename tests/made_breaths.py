"""Synthetic recordings, made once for all processes: to make them takes longer than most tests that train on them."""

from __future__ import annotations

import contextlib
import os
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


def folder_of_the_run(factory: pytest.TempPathFactory) -> Path:
    """The folder below which all processes of this run keep their temporary ones."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session", autouse=True)
def _breaths_are_made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where the same patients are written again, by a process of this run, copy the files of the first time."""
    kept = folder_of_the_run(tmp_path_factory) / "made-breaths"
    kept.mkdir(exist_ok=True)

    def write(folder: Path, patients: Sequence[Patient], recordings: int, cycles: tuple[int, int]) -> None:
        asked = [vars(patient) | {"rng": patient.rng.bit_generator.state} for patient in patients]
        made = kept / sha256(repr((asked, recordings, cycles)).encode()).hexdigest()
        if not made.exists():
            draft = Path(tempfile.mkdtemp(dir=kept))
            MAKE(draft, patients, recordings, cycles)
            # Another process may have been quicker; the files are the same.
            with contextlib.suppress(OSError):
                draft.rename(made)
        shutil.copytree(made, folder, dirs_exist_ok=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "_write_all", write)
        yield
