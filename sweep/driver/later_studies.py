"""The studies that one command trains after another: a search's finalists on other folds, a network for all patients."""

from __future__ import annotations

from sweep.evaluation.cross_fold_ranking import crossing_folder
from sweep.evaluation.unified_model import unified_folder, unified_study
from sweep.folder.study_folder import StudyFolder


def later_studies(folder: StudyFolder) -> list[StudyFolder]:
    """Name the places of the studies that `run` or `finish` trains after a study, there or not; none before it exists.

    That is NAME-folds after a search with `folds: all`, and NAME-unified after a study that finishes a configuration for
    some patients. Raises what `StudyFolder.config` raises.
    """
    if not folder.exists:
        return []
    config = folder.config()
    if config.folds == "all":
        return [crossing_folder(folder)]
    return [] if unified_study(config) is None else [unified_folder(folder)]
