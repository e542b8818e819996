"""A study deleted for good: what goes with it, what stays, and what forbids it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from data.errors import UserError
from data.quantities import counted, gibibytes
from evidence.ledger import Ledger
from sweep.evaluation.ledgers import KEPT, LEDGER, own_ledger
from sweep.evaluation.unified_model import present_unified
from sweep.folder.lock import LockedError
from sweep.folder.related import FINISHES, related_studies
from sweep.folder.removal import remove_study
from sweep.folder.study_folder import StudyFolder
from sweep.storage.open_storage import below, open_storage


class DeleteError(UserError):
    """A study that is not deleted."""


@dataclass(frozen=True)
class Deletion:
    """What goes when a study is deleted: the study, and what belongs to it on other folds or for all patients.

    `files` and `size` (bytes): of all of them. `readings`: of the official test part, which their ledgers tell of.
    """

    studies: tuple[StudyFolder, ...]
    files: int
    size: int
    readings: int

    def lines(self) -> list[str]:
        """Say in a line each what goes, and what stays."""
        places = " and ".join(one.place for one in self.studies)
        said = [
            f"goes: {places}, {counted(self.files, 'file')}, {gibibytes(self.size)}: all scores, curves, weights and "
            "predictions"
        ]
        if self.readings:
            said.append(
                f"stays: the ledger of {counted(self.readings, 'reading')} of the test part, and its bundles, in "
                f"{_kept_in(self.studies[0])}"
            )
        servers = {one.config().tracking_uri for one in self.studies} - {None}
        said += [
            f"stays: the runs at {uri}; delete the experiment there" for uri in sorted(map(str, servers))
        ]
        return [*said, "stays: recordings, and features that other studies share"]


def what_goes(folder: StudyFolder) -> Deletion:
    """Find out what goes when a study is deleted; nothing is changed.

    Raises LockedError while one of them runs; DeleteError for a study that another one finishes, which could not be
    tested any more; StorageError when an object store does not answer.
    """
    related = related_studies(folder)
    finishing = [one for one, relation in related if relation == FINISHES]
    if finishing:
        raise DeleteError(
            f"{folder.place}: {', '.join(one.place for one in finishing)} finishes it, and is tested against it; delete "
            f"that first: respsweep delete {finishing[0].arguments}"
        )
    beside = present_unified(folder)
    studies = (folder, *(one for one, _ in related), *([] if beside is None else [beside]))
    sizes = [size for one in studies for size in one.storage().sizes().values()]
    for one in studies:
        if (holder := one.lock().held_by()) is not None:
            raise LockedError(
                f"{one.place}: in use by {holder}; wait for its end or stop it there, then delete it"
            )
    readings = sum(_readings(own_ledger(one)) for one in studies)
    return Deletion(studies, len(sizes), sum(sizes), readings)


def delete_study(folder: StudyFolder) -> list[str]:
    """Delete a study for good, with what belongs to it (`Deletion`); returns lines on what stays.

    A ledger of readings of the test part, and the bundles of these, are first put beside the studies, in
    `.ledgers/NAME-ID`. Runs on an MLflow server stay, and so does what other studies share. Raises what `what_goes`
    raises.
    """
    deletion = what_goes(folder)
    with contextlib.ExitStack() as held:
        locks = {one: held.enter_context(one.lock()) for one in deletion.studies}
        said = deletion.lines()[1:]
        for one in reversed(deletion.studies):
            _keep_readings(one)
            remove_study(one, locks[one])
    return said


def _keep_readings(folder: StudyFolder) -> None:
    if not _readings(own_ledger(folder)):
        return
    storage, kept = folder.storage(), open_storage(_kept_in(folder))
    bundles = sorted(
        name for name in storage.sizes() if Path(name).match("test-*.bundle") and "/" not in name
    )
    for name in (LEDGER, *bundles):
        kept.write(name, storage.read(name))


def _readings(ledger: Ledger) -> int:
    return len(ledger.readings("sealed"))


def _kept_in(folder: StudyFolder) -> str:
    own = str(folder.provenance().get("study_id", "")) if folder.provenance_file.exists() else ""
    return below(folder.studies, KEPT, f"{folder.name}-{own[:8]}")
