"""The root of all errors that a user can mend."""

from __future__ import annotations

import math
from datetime import date
from typing import Any, ClassVar


def escaped(text: str) -> str:
    r"""Show control characters other than line breaks as Python writes them (`\x1b`): a terminal would obey them.

    So are shown the characters that turn the direction of writing, and halves of characters.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else repr(character)[1:-1]
        for character in text
    )


def one_line(text: str) -> str:
    r"""Show control characters as `escaped` does, and line breaks too, as `\n`: a name might feign a line of ours."""
    return escaped(text).replace("\n", r"\n")


LONGEST_LINE = 1000
"""Characters of a line that a person is told; what a file says may be of any length."""


def shortened(text: str) -> str:
    """Cut the middle out of lines longer than `LONGEST_LINE`, whose ends say where, and what would be right."""
    return "\n".join(
        line
        if len(line) <= LONGEST_LINE
        else f"{line[: LONGEST_LINE * 7 // 10]} ... {line[-LONGEST_LINE // 4 :]}"
        for line in text.split("\n")
    )


class UserError(Exception):
    """What a user can mend: the message says where, what was read, and what would be right.

    The command line prints the message, after `opening`, and exits with `exit_status`. Every other exception is a fault
    of respsweep and keeps its traceback, with status 1.

        UserError
        ├── ConfigError                    a study file, a recipe, an option
        ├── DataError                      recordings and their annotations
        │   └── SealedPartError            the official test part, asked for by anything but a sealed reading
        ├── PretrainedError                weights to start from
        ├── CheckpointError                a checkpoint of a training run
        │   └── LostCheckpointError        a checkpoint that is missing or damaged
        ├── TrainingError                  training that cannot go on
        ├── PausedRunError                 a run of one recipe that was told to pause (status 75)
        ├── StorageError                   a folder or object store that holds studies
        │   └── StorageAwayError           an object store that does not answer
        ├── JournalError                   a study's journal
        ├── FolderError                    a study's folder
        ├── NoteError                      a note on a study
        ├── LockedError                    a study that another driver holds
        ├── MirrorError                    a study whose object store lacks results
        ├── DataPreparationError           features and folds on a machine
        ├── WeightsError                   pretrained weights on a machine
        ├── UnitResultError                weights or predictions that a unit left
        ├── FullCacheError                 a machine whose cache has no room left
        ├── ExecutorError                  machines that cannot run the study
        │   └── StoppedWaitingError        a study that was told to stop before a machine came (status 75)
        ├── SlurmError                     SLURM that is not here, does not answer, or refuses
        ├── NoticeError                    a machine whose cloud announces nothing
        ├── TrackingError                  an MLflow server that runs are sent to
        ├── TrackingServerError            an MLflow server that respsweep starts
        ├── TrackingAddressError           the address that a server of ours listens on
        ├── TrackingAuthError              the administrator of a server of ours
        ├── TrackingBackendError           the database of a server of ours
        ├── GpuSharingError                a recipe of which no unit fits on a device
        ├── NoConfigurationError           a configuration that a study does not have, or has not finished
        ├── ExportError                    an export that cannot be written
        ├── BundleExportError              a study of which no bundle can be made
        ├── WeightsFolderError             a folder of weights that is none, or damaged
        ├── CardError                      recordings that a model card cannot speak of
        ├── ReportError                    a report that cannot be written
        ├── CrossFoldError                 finalists that cannot be ranked on all folds
        ├── FinishError                    a study that cannot be finished
        ├── OtherWeightsError              weights that are not those of the search any more
        ├── ReadingError                   a test part that cannot be read
        ├── RenameError                    a study that cannot have another name
        ├── DeleteError                    a study that is not deleted
        ├── RetryError                     a study in which nothing failed that could be tried again
        └── InterruptedStudyError          a study that was stopped, and can go on (status 75)
    """

    exit_status: ClassVar[int] = 1
    opening: str = "error"
    """What the command line opens the message with."""
    several_lines: ClassVar[bool] = False
    """Whether messages may have several lines, of which each says where; otherwise line breaks are escaped."""

    def __str__(self) -> str:
        """The message, with control characters of names and values escaped, and long lines shortened."""
        message = super().__str__()
        return shortened(escaped(message) if self.several_lines else one_line(message))


class DataError(UserError):
    """Recordings that cannot be used; the message says which file, what was read, what would be right."""


def as_read(value: Any, levels: int = 20) -> str:
    """Write a value for an error as a YAML or JSON file has it: `null`, `true`, `[1, 'a', null]`, text in quotes.

    Days are written as in `2024-01-31`, and what is no finite number as `.inf`, `-.inf` or `.nan`. What lies deeper than
    so many `levels` is written as dots.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float() if not math.isfinite(value):
            return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
        case date():
            return str(value)
        case list() | tuple() | dict() if not levels:
            return "..."
        case list() | tuple():
            return f"[{', '.join(as_read(one, levels - 1) for one in value)}]"
        case dict():
            pairs = (f"{as_read(key)}: {as_read(inner, levels - 1)}" for key, inner in value.items())
            return f"{{{', '.join(pairs)}}}"
    return repr(value)
