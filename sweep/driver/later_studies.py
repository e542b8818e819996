"""The studies that one command trains after another: a search's finalists on other folds, a network for all patients."""

from __future__ import annotations

from sweep.config.study_config import StudyConfig
from sweep.evaluation.cross_fold_ranking import crossing_folder
from sweep.evaluation.cross_folds import crossing_study
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


def nothing_left(folder: StudyFolder) -> bool:
    """Whether a study is over, and so are those that its command trains after it, with all that it would give them.

    A study that ended without a complete configuration has none after it. One that was stopped, by its budget say, is
    not over. Raises UserError or OSError while what lies in the folders cannot be read.
    """
    if not _is_over(folder):
        return False
    if folder.board().best() is None:
        return True
    later = later_studies(folder)
    return all(_is_over(one) and _has_trained(one, _settings_after(folder)) for one in later)


def _is_over(folder: StudyFolder) -> bool:
    return folder.exists and folder.board().stopped == "over"


def _settings_after(folder: StudyFolder) -> StudyConfig:
    """Make the settings with which the study after this one would run now: its finalists may have changed."""
    unified = unified_study(folder.config())
    return crossing_study(folder) if unified is None else unified


def _has_trained(folder: StudyFolder, settings: StudyConfig) -> bool:
    before = folder.config()
    return (before.enqueue, before.seeds) == (settings.enqueue, settings.seeds)
