"""The ranking of a study's finalists on all folds of patients, as it was written, and what is chosen by it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import UserError
from evidence.bundle import BundleError, read_bundle
from evidence.cross_folds import tied_with_first
from evidence.objectives import OBJECTIVES, TITLES, Objective
from sweep.folder.study_folder import StudyFolder
from sweep.report.which_configuration import which_configuration
from sweep.storage.open_storage import below, open_storage
from sweep.storage.patience import patiently
from sweep.study.board import Board
from sweep.study.units import Configuration

SUFFIX = "-folds"
"""The finalists of a study NAME are validated on other folds by the study NAME-folds, beside it."""
FILE = "folds.bundle"
"""Name of the bundle with the ranking, in the folder of that study."""


class CrossFoldError(UserError):
    """Finalists that cannot be ranked on all folds."""


@dataclass(frozen=True)
class CrossFoldRanking:
    """Finalists of a study on all folds: their `numbers` (`evidence.cross_folds`), and the `place` of the bundle.

    `objective` ranks; `searched_fold` is the one by which the search chose them.
    """

    place: str
    objective: Objective
    searched_fold: int
    numbers: Mapping[str, Any]

    @property
    def best(self) -> int:
        """The number of the configuration that ranks first."""
        return self.numbers["ranking"][0]

    @property
    def tied(self) -> list[int]:
        """Those that cannot be told from the first."""
        return tied_with_first(dict(self.numbers))


def crossing_folder(folder: StudyFolder) -> StudyFolder:
    """Name the place of the study that validates another's finalists on other folds, there or not."""
    crossing = StudyFolder.at(folder.studies, f"{folder.name}{SUFFIX}")
    crossing.pull()
    return crossing


def read_ranking(folder: StudyFolder) -> CrossFoldRanking | None:
    """Read the ranking of a study's finalists on all folds; None while there is none.

    One that was made before seeds were added, or without the configuration that is best by now, is passed over with a
    warning, and so is that of another study. Raises CrossFoldError for a bundle that is damaged.
    """
    crossing = crossing_folder(folder)
    if not folder.config().searches or not crossing.exists:
        return None
    place = below(crossing.place, FILE)
    try:
        content = patiently(lambda: open_storage(crossing.place).read(FILE))
    except FileNotFoundError:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / FILE).write_bytes(content)
        try:
            bundle, _ = read_bundle(Path(scratch) / FILE)
        except BundleError as error:
            raise CrossFoldError(f"{place}: {str(error).partition(': ')[2]}") from error
    about, board = bundle.about, folder.board()
    if bundle.kind != "folds" or about.get("study_id") != folder.provenance()["study_id"]:
        warnings.warn(f"{place}: of another study than {folder.place}, and passed over", stacklevel=2)
        return None
    best = board.best()
    stale = list(about["seeds"]) != list(board.seeds) or best is None or best.number not in about["finalists"]
    if stale or about.get("objective") != board.objective:
        warnings.warn(
            f"{place}: made before the study went on, and passed over; rank anew with: respsweep run --resume "
            f"{folder.arguments} --set folds=all",
            stacklevel=2,
        )
        return None
    return CrossFoldRanking(place, board.objective, int(about["searched_fold"]), bundle.claims)


def best_configuration(
    folder: StudyFolder, board: Board
) -> tuple[Configuration | None, CrossFoldRanking | None]:
    """Choose what a study exports and finishes: the first on all folds where they were trained, else the best.

    Returns the ranking on all folds as well, None where there is none.
    """
    ranking = read_ranking(folder)
    return (board.best() if ranking is None else board.configurations[ranking.best]), ranking


def chosen_configuration(folder: StudyFolder, board: Board, number: int | None = None) -> Configuration:
    """Find the configuration that a study exports and finishes, or the one with a number that has all its seeds.

    Raises NoConfigurationError, which says what there is instead.
    """
    best = None if number is not None else best_configuration(folder, board)[0]
    return which_configuration(board, folder.place, number) if best is None else best


def in_words(ranking: CrossFoldRanking) -> str:
    """Say which finalist is first on all folds of patients, and that it is chosen."""
    metric, tied = (
        OBJECTIVES[ranking.objective],
        [number for number in ranking.tied if number != ranking.best],
    )
    first = ranking.numbers["configurations"][str(ranking.best)]
    ends = first["patient_interval"]
    between = (
        "" if ends is None else f" (95 % over patients and seeds: {100 * ends[0]:.1f} to {100 * ends[1]:.1f})"
    )
    also = f"; tied with it: {', '.join(map(str, tied))}" if tied else ""
    return (
        f"On all folds of patients no. {ranking.best} is first of {len(ranking.numbers['ranking'])} finalists, "
        f"{TITLES[metric]} {100 * first[metric]['mean']:.1f} %{between}{also}; export and finish choose it."
    )
