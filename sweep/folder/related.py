"""Studies that were made of another: those that finish it, and the one that trains its finalists on other folds."""

from __future__ import annotations

from data.errors import UserError
from sweep.folder.study_folder import StudyFolder, present_studies

FINISHES = "finishes it"
CROSSES = "trains its finalists on the other folds of patients"


def related_studies(folder: StudyFolder) -> list[tuple[StudyFolder, str]]:
    """Find the studies beside a study that were made of it, each with what it does: `FINISHES` or `CROSSES`.

    They are known by the id of the study, whatever its name. Those that cannot be read are passed over. Raises
    StorageError for a store that does not answer.
    """
    own = folder.provenance().get("study_id") if folder.provenance_file.exists() else None
    if not own:
        return []
    found = []
    for name in present_studies(folder.studies):
        if name == folder.name:
            continue
        try:
            other = StudyFolder.open(folder.studies, name)
            config = other.config()
        except (UserError, OSError):
            continue
        if config.finishes is not None and config.finishes.study_id == own:
            found.append((other, FINISHES))
        elif config.crosses is not None and config.crosses.study_id == own:
            found.append((other, CROSSES))
    return found
