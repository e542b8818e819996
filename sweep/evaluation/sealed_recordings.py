"""Recordings of a study's official test part, known again by their bytes wherever they lie and whatever their name."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.dataset import TRAINING_PART, SealedPartError
from data.digests import file_digests
from data.errors import UserError
from data.recordings import read_recordings
from sweep.evaluation.recordings_of import recordings_of
from sweep.folder.study_folder import StudyFolder


@dataclass(frozen=True)
class SealedRecordings:
    """Audio files of an official test part, by their size in bytes, or by the SHA-256 (hex) of those that are not here.

    `unknown` says why they are not known on this machine; None where they are.
    """

    by_size: Mapping[int, Sequence[Path]]
    unknown: str | None = None
    digests: frozenset[str] = frozenset()

    def check(self, audio: Path) -> None:
        """Raise SealedPartError for a file with the bytes of a recording of the test part."""
        try:
            alike = self.by_size.get(audio.stat().st_size, ())
        except OSError:
            # Whoever reads the file says what is wrong with it.
            return
        if not (alike or self.digests):
            return
        digest, *sealed = file_digests([audio, *alike])
        if digest in sealed or digest in self.digests:
            name = alike[sealed.index(digest)].name if digest in sealed else "a recording"
            raise SealedPartError(
                f"{audio}: refused, as it is {name} of the study's official test part, which `respsweep test` alone "
                "reads, and writes down that it did; give a recording that is not in that part"
            )


def sealed_recordings(folder: StudyFolder, data: Path | None = None) -> SealedRecordings:
    """Find the recordings of the official test part of a study's data, where these lie on this machine.

    `data`: where they lie, unless where the study says.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            recordings = read_recordings(recordings_of(folder, data), folder.config().scored_task.name)
        by_size: dict[int, list[Path]] = {}
        for recording in recordings.recordings:
            if recording.part != TRAINING_PART:
                by_size.setdefault(recording.path.stat().st_size, []).append(recording.path)
    except (UserError, OSError) as error:
        return SealedRecordings({}, str(error))
    return SealedRecordings(by_size)
