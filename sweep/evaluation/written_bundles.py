"""Whether the bundles of a study's readings are those that its ledger tells of."""

from __future__ import annotations

import hashlib

from evidence.ledger import Ledger
from sweep.folder.study_folder import StudyFolder
from sweep.storage.open_storage import below, open_storage
from sweep.storage.patience import patiently

_DIGITS = 64
"""Length of the digest at the end of a bundle, which is of all before."""


def bundle_faults(folder: StudyFolder, ledger: Ledger) -> list[str]:
    """Say which bundle that a ledger tells of is missing or another one; empty when none is."""
    storage = open_storage(folder.place)
    found = []
    for entry in ledger.readings():
        name = str(entry.content.get("file"))
        try:
            content = patiently(lambda name=name: storage.read(name))
        except FileNotFoundError:
            found.append(f"{below(folder.place, name)}: missing, though reading {entry.reading} wrote it")
            continue
        if hashlib.sha256(content[:-_DIGITS]).hexdigest() != entry.content.get("bundle"):
            found.append(f"{below(folder.place, name)}: another bundle than reading {entry.reading} wrote")
    return found
