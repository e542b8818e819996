"""Where the recordings of a study lie on this machine."""

from __future__ import annotations

from pathlib import Path

from data.settings import ConfigError
from sweep.config.study_parts import SyntheticConfig
from sweep.folder.study_folder import StudyFolder
from sweep.worker.prepared_data import synthetic_directory


def recordings_of(folder: StudyFolder, given: Path | None = None) -> Path:
    """Find the folder of a study's recordings: the `given` one, or where the study says; synthetic ones are written.

    Raises ConfigError when neither says.
    """
    if given is not None:
        return given
    told = folder.config().data
    if isinstance(told, SyntheticConfig):
        return synthetic_directory(told)
    if told is None:
        raise ConfigError(f"{folder.place}: says nothing of its recordings; give --data DIR")
    return Path(told)
