"""A study that reads the official test part at every epoch: written down before its first unit, and only then opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.dataset import TRAINING_PART, DataSet
from evidence.ledger import Seal
from sweep.config.study_config import StudyConfig
from sweep.evaluation.ledgers import Ledgers, ReadingError, part_hash
from sweep.folder.study_folder import StudyFolder
from sweep.worker.prepared_data import DataPreparation

LEAK, PUBLISHED = "leak", "published"
PROTOCOLS = {
    LEAK: "honest, chosen on validation patients of the training part; the test part is answered at every epoch, "
    "apart, to measure what choosing by it would have shown",
    PUBLISHED: "published: trained on the whole training part, scored on the test part at every epoch, the best of "
    "which counts; configurations are pruned, raced and ranked by these scores",
}
"""How a study reads the test part, by the word for it in the ledger."""


def open_test_part(
    folder: StudyFolder, config: StudyConfig, preparation: DataPreparation, provenance: Mapping[str, Any]
) -> None:
    """Let the units of a study have the test part, if its file asks for it; does nothing of all other studies.

    First a line in each ledger says so, for the study as a whole: one that is taken up again has its line already.
    With `protocol: published` the units have one part: ICBHI's test, or SPRSound's inter. Raises ReadingError when the
    recordings have no such part, or a ledger cannot be written.
    """
    reads = PUBLISHED if config.protocol == PUBLISHED else LEAK if config.leak else None
    if reads is None:
        return
    recordings = preparation.recordings
    parts = parts_to_test(recordings)
    if reads == PUBLISHED:
        # The first after training: of SPRSound the children who are not in training.
        first = recordings.parts[1]
        if first not in parts:
            raise ReadingError(
                f"{recordings.directory}: no recording of the {first} part, by which `protocol: published` scores"
            )
        parts = [first]
    ledgers = Ledgers(folder, part_hash(recordings))
    sealed = ledgers.seal_of(provenance["study_id"])
    if sealed is not None and sealed.content.get("data_hash") == provenance["data_hash"]:
        seal = Seal(provenance["data_hash"], sealed.reading)
    else:
        seal, _ = ledgers.seal(
            {
                "reads": reads,
                "study": folder.name,
                "study_id": provenance["study_id"],
                "task": recordings.task.name,
                "data_hash": provenance["data_hash"],
                "parts": parts,
                "protocol": PROTOCOLS[reads],
                "settings": config.resolved().model_dump(mode="json", exclude={"data", "tracking_uri"}),
                # More may be added when the study is taken up again, and read the test part under this line.
                "seeds": list(config.seeds),
                "commit": provenance.get("commit"),
            },
            provenance["data_hash"],
        )
    preparation.unseal(seal, parts)


def parts_to_test(recordings: DataSet) -> list[str]:
    """Name the official test parts that have recordings. Raises ReadingError when there is none."""
    parts = [part for part in recordings.parts if part != TRAINING_PART and recordings.part(part)]
    if not parts:
        raise ReadingError(f"{recordings.directory}: no recording belongs to an official test part")
    return parts
