"""The study that trains the chosen configuration on the whole official training part, with fresh seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from data.errors import UserError
from data.settings import parse
from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder
from sweep.report.leaderboard import why_no_best
from sweep.study.board import Board
from sweep.study.units import Configuration

SUFFIX = "-finish"
"""A study NAME is finished by the study NAME-finish, beside it."""
LENGTH = "epochs", "selection"
"""Recipe fields that say which epoch counts; the finishing study has one length, and its last epoch counts."""


class FinishError(UserError):
    """A study that cannot be finished."""


def finishing_study(
    folder: StudyFolder, number: int | None = None, seeds: Sequence[int] | None = None
) -> StudyConfig:
    """Make the study that trains a configuration, the best one or that `number`, on all patients of the training part.

    Nobody is held out (`folds.fold: null`), so that nothing can be chosen any more: one configuration, no pruning, no
    race. Of runs that were scored by their best epoch it trains as many as the median of these, and counts the last.
    `seeds`: as many fresh ones as the study has, unless given. Raises FinishError when no such configuration is
    complete, when seeds are not fresh, or when nothing is left that the study searched.
    """
    config, board = folder.config(), folder.board()
    if config.finishes is not None:
        raise FinishError(f"{folder.place}: finishes the study {config.finishes.study} already")
    chosen = _chosen(folder, board, number)
    fresh = (
        tuple(seeds) if seeds else tuple(max(board.seeds) + place for place in range(1, len(board.seeds) + 1))
    )
    if used := sorted(set(fresh) & set(board.seeds)):
        raise FinishError(
            f"{folder.place}: the configuration was chosen with the seeds {', '.join(map(str, used))}; give fresh ones"
        )
    content = config.resolved().model_dump(mode="json")
    recipe = config.space.recipe(chosen.values).model_dump(mode="json")
    recipe["folds"]["fold"] = None
    recipe["epochs"] = round(
        statistics.median(unit.selected["epoch"] for unit in chosen.units.values() if unit.selected)
    )
    recipe["selection"] = "last"
    search = {field: parameter for field, parameter in content["search"].items() if field not in LENGTH}
    values = {field: value for field, value in chosen.values.items() if field not in LENGTH}
    if not search:
        raise FinishError(
            f"{folder.place}: searched nothing but {' and '.join(LENGTH)}; train its best.yaml instead"
        )
    content.update(
        recipe=recipe,
        search=search,
        enqueue=[values],
        seeds=list(fresh),
        objective="score",
        sampler={"name": "random"},
        pruner={"name": "none"},
        racing={"name": "none"},
        budget={"configurations": 1},
        finishes={
            "study": folder.name,
            "study_id": folder.provenance()["study_id"],
            "configuration": chosen.number,
        },
    )
    return parse(StudyConfig, content, f"{folder.place}, to be finished")


def finishing_folder(folder: StudyFolder) -> StudyFolder:
    """Name the place of the study that finishes another, there or not."""
    return StudyFolder.find(folder.studies, f"{folder.name}{SUFFIX}")


def _chosen(folder: StudyFolder, board: Board, number: int | None) -> Configuration:
    ranking = board.ranking()
    if number is None:
        if not ranking:
            raise FinishError(f"{folder.place}: {why_no_best(board)}")
        return ranking[0]
    for configuration in ranking:
        if configuration.number == number:
            return configuration
    complete = ", ".join(str(one.number) for one in ranking) or "none"
    raise FinishError(
        f"{folder.place}: configuration {number} has not finished all {len(board.seeds)} seeds; those that have: "
        f"{complete}"
    )
