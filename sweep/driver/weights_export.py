"""A configuration's networks as a folder to hand on: weights of each seed, recipe and model card."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

from data.atomic import folder_draft
from data.dataset import TRAINING_PART, DataSet
from data.digests import file_digests
from sweep.driver.export import ExportError, write_recipe
from sweep.evaluation.card_facts import card_facts, study_recordings
from sweep.evaluation.cross_fold_ranking import chosen_configuration
from sweep.evaluation.finish import check_honest
from sweep.evaluation.finished_units import finished_units
from sweep.evaluation.weights_folder import RECIPE, read_weights_folder, save_weights
from sweep.folder.study_folder import StudyFolder
from sweep.report.model_card import model_card

CARD = "README.md"


def export_weights(
    folder: StudyFolder, target: Path, number: int | None = None, data: Path | None = None
) -> Path:
    """Write the networks of a configuration, the best one or that `number`, into the new folder `target`; returns it.

    In it are a file of weights for each seed, `recipe.yaml`, the model card `README.md`, and where the recordings are at
    hand, `test_part.sha256`, by which those of the test part are known again. `data`: where the recordings lie, unless
    where the study says. The folder appears whole or not at all.

    Raises FinishError for a study with `protocol: published`; ExportError when something is at `target` already, or
    nothing can be written there; NoConfigurationError when no such configuration has finished; UnitResultError when the
    study kept no weights of it, PretrainedError for damaged ones; CardError or DataError for other recordings at `data`;
    ReadingError for a ledger that is none.
    """
    check_honest(folder)
    target = target.resolve()
    _check_free(target)
    board = folder.board()
    chosen = chosen_configuration(folder, board, number)
    recordings, unheard = study_recordings(folder, data)
    test_part, study_id = _test_part(recordings), folder.provenance()["study_id"]
    with tempfile.TemporaryDirectory(prefix="respsweep-export-") as scratch:
        units = finished_units(folder, chosen, board.seeds, Path(scratch))
        facts = card_facts(folder, chosen, units, recordings, unheard)
        try:
            with folder_draft(target) as draft:
                files = save_weights(units, folder.name, study_id, test_part, draft)
                write_recipe(folder, board, chosen, draft / RECIPE)
                (draft / CARD).write_text(model_card(facts, files), encoding="utf-8")
                # What could not be used is not handed on.
                read_weights_folder(draft)
        except OSError as error:
            raise ExportError(f"{target}: cannot be written: {error.strerror or error}") from error
    if (warning := folder.journal_warning()) is not None:
        warnings.warn(warning, stacklevel=2)
    return target


def _check_free(target: Path) -> None:
    try:
        taken = target.exists() and (not target.is_dir() or any(target.iterdir()))
    except OSError as error:
        raise ExportError(f"{target}: cannot be read: {error.strerror}") from error
    if taken:
        raise ExportError(f"{target}: there is something already; give a folder that is new or empty")


def _test_part(recordings: DataSet | None) -> list[str] | None:
    if recordings is None:
        return None
    return file_digests([each.path for each in recordings.recordings if each.part != TRAINING_PART])
