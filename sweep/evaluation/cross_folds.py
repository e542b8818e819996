"""The study that validates the finalists of another on the other folds of patients, with the same seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from data.settings import parse
from sweep.config.study_config import StudyConfig
from sweep.evaluation.cross_fold_ranking import CrossFoldError, crossing_folder
from sweep.folder.study_folder import StudyFolder
from sweep.report.board_in_words import why_no_best
from sweep.study.board import FOLD, Board
from sweep.study.comparison import comparison_of
from sweep.study.units import Configuration
from sweep.worker.unit_results import read_predictions


def crossing_study(folder: StudyFolder) -> StudyConfig:
    """Make the study that trains a search's finalists with all its seeds on every fold but the one that it searched.

    A configuration there is a finalist and a fold. What the search itself trained is not trained again, unless it kept
    no answers. A study that is there already goes on with its points, and with those of finalists that are new. Raises
    CrossFoldError when nothing can be ranked.
    """
    config, board, crossing = folder.config(), folder.board(), crossing_folder(folder)
    if not config.searches:
        raise CrossFoldError(f"{folder.place}: chooses nothing, so that it has no finalists")
    finalists = finalists_of(board, config.finalists)
    if not finalists:
        raise CrossFoldError(f"{folder.place}: {why_no_best(board)}")
    asked = config.any_recipe().folds
    points = [
        {**{path: _plain(value) for path, value in finalist.values.items()}, FOLD: fold}
        for finalist in finalists
        for fold in range(asked.folds)
        if fold != asked.fold or not _kept(folder, finalist, board.seeds)
    ]
    study_id = folder.provenance()["study_id"]
    check_crossing(folder)
    if crossing.exists:
        before = crossing.config()
        known = [{path: _plain(value) for path, value in point.items()} for point in before.enqueue]
        points = [*known, *(point for point in points if point not in known)]
    content = config.resolved().model_dump(mode="json")
    content.update(
        search={**content["search"], FOLD: {"type": "categorical", "choices": list(range(asked.folds))}},
        enqueue=points,
        seeds=list(board.seeds),
        objective=config.ranking_objective,
        folds="one",
        # The test part is answered by the search's own units alone.
        leak=False,
        sampler={"name": "random"},
        pruner={"name": "none"},
        racing={"name": "none"},
        budget={"configurations": len(points)},
        crosses={"study": folder.name, "study_id": study_id},
    )
    return parse(StudyConfig, content, f"{folder.place}, on all folds")


def check_crossing(folder: StudyFolder) -> None:
    """Raise CrossFoldError where another study has the name that the study of a search's finalists is to have."""
    crossing = crossing_folder(folder)
    if not crossing.exists:
        return
    own = folder.provenance()["study_id"] if folder.provenance_file.exists() else None
    crosses = crossing.config().crosses
    if crosses is None or crosses.study_id != own:
        raise CrossFoldError(f"{crossing.place}: is there, and of another study; remove it, or rename it")


def finalists_of(board: Board, most: int) -> list[Configuration]:
    """Choose the best configuration and those with all their seeds that are tied with it, at most so many, best first.

    Where ties are not known, as with one seed, the best so many.
    """
    ranking, compared = board.ranking(), comparison_of(board)
    if compared is None or compared.tied is None:
        return ranking[:most]
    return [one for one in ranking if one.number == compared.best or compared.is_tied(one.number)][:most]


def _kept(folder: StudyFolder, finalist: Configuration, seeds: Sequence[int]) -> bool:
    """Whether the search kept what each of these units answered on the fold that it searched."""
    return all(read_predictions(folder.predictions, finalist.number, seed) is not None for seed in seeds)


def _plain(value: Any) -> Any:
    return [*map(_plain, value)] if isinstance(value, tuple) else value
