"""A person's note on a study, kept beside its journal: `note.txt`."""

from __future__ import annotations

from data.errors import UserError
from sweep.folder.study_folder import StudyFolder
from sweep.storage.open_storage import below

NOTE = "note.txt"
LONGEST = 2000
"""Characters of a note."""


class NoteError(UserError):
    """A note that cannot be kept, or read."""


def read_note(folder: StudyFolder) -> str:
    """Read the note that is kept with a study, from its path or object store; empty where there is none."""
    place = below(folder.place, NOTE)
    try:
        return folder.storage().read(NOTE).decode().strip()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise NoteError(f"{place}: is no text in UTF-8; write the note anew") from None
    except OSError as error:
        raise NoteError(f"{place}: cannot be read: {error}") from error


def write_note(folder: StudyFolder, text: str) -> None:
    """Keep a note with a study, in the place of one that is there, also while the study runs; an empty text removes it.

    Raises NoteError for a text that is too long, and for a place that cannot be written.
    """
    text, place = text.strip(), below(folder.place, NOTE)
    if len(text) > LONGEST:
        raise NoteError(f"note on {folder.place}: at most {LONGEST} characters, got {len(text)}")
    storage = folder.storage()
    try:
        if text:
            storage.write(NOTE, f"{text}\n".encode())
        else:
            storage.remove(NOTE)
    except OSError as error:
        raise NoteError(f"{place}: cannot be written: {error}") from error
