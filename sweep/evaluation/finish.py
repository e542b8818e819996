"""The study that trains the chosen configuration on the whole official training part, with fresh seeds."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Sequence

from data.errors import UserError
from data.settings import parse
from sweep.config.resumption import of_searched_weights
from sweep.config.search_space import BANDS
from sweep.config.study_config import WEIGHTS, StudyConfig
from sweep.evaluation.cross_fold_ranking import best_configuration, chosen_configuration
from sweep.evaluation.searched_weights import check_searched_weights
from sweep.folder.study_folder import StudyFolder

SUFFIX = "-finish"
"""A study NAME is finished by the study NAME-finish, beside it."""


class FinishError(UserError):
    """A study that cannot be finished."""


def finishing_study(
    folder: StudyFolder, number: int | None = None, seeds: Sequence[int] | None = None
) -> StudyConfig:
    """Make the study that trains a configuration, the best one or that `number`, on all patients of the training part.

    Nobody is held out (`folds.fold: null`), so that nothing can be chosen any more: one configuration, no pruning, no
    race. Of runs that were scored by their best epoch it trains as many as the median of these, on a schedule of that
    length, and counts the last.
    `seeds`: as many fresh ones as the study has, unless given. Raises NoConfigurationError when no such configuration is
    complete, FinishError when the study still runs, finishes another, or seeds are not fresh, or for a study with
    `protocol: published`, OtherWeightsError when the configuration's pretrained weights are no longer those of the
    search, and ConfigError when the median is too few epochs for the recipe's warm-up.
    """
    config, board = folder.config(), folder.board()
    check_honest(folder)
    if (holder := folder.lock().held_by()) is not None:
        raise FinishError(f"{folder.place}: still running ({holder}); finish it when it is over")
    if board.stopped != "over":
        warnings.warn(
            f"{folder.place}: was stopped ({board.stopped}) before it was over; what is best so far is finished",
            stacklevel=2,
        )
    if config.finishes is not None:
        raise FinishError(f"{folder.place}: finishes the study {config.finishes.study} already")
    if config.crosses is not None:
        raise FinishError(
            f"{folder.place}: ranks the finalists of the study {config.crosses.study}, and chooses nothing; finish that "
            "one"
        )
    chosen = chosen_configuration(folder, board, number)
    fresh = tuple(seeds) if seeds else _fresh_seeds(board.seeds, len(board.seeds))
    if used := sorted(set(fresh) & set(board.seeds)):
        right = ",".join(map(str, _fresh_seeds(board.seeds, len(fresh))))
        raise FinishError(
            f"{folder.place}: the configuration was chosen with the seeds {', '.join(map(str, used))}; give fresh ones, "
            f"e.g. {right}"
        )
    content = config.resolved().model_dump(mode="json")
    searched = config.space.recipe(chosen.values)
    check_searched_weights(folder, searched)
    recipe = searched.model_dump(mode="json")
    recipe["folds"]["fold"] = None
    recipe["selection"] = "last"
    lengths = [unit.selected["epoch"] for unit in chosen.units.values() if unit.selected is not None]
    recipe["epochs"] = round(statistics.median(lengths))
    values = {**chosen.values, **({"epochs": recipe["epochs"]} if "epochs" in chosen.values else {})}
    if searched_bands := {
        path.removeprefix(BANDS): values[path] for path in values if path.startswith(BANDS)
    }:
        # A recipe holds the indices of its bands, among which no ranking or ranges can be searched.
        written = content["recipe"].get("features", {}).get("bands") or {}
        recipe["features"]["bands"] = {**written, **searched_bands}
    content.update(
        recipe=recipe,
        # Nothing varies any more; the values still show on the leaderboard which configuration it is.
        search={field: {"type": "categorical", "choices": [value]} for field, value in values.items()},
        enqueue=[values],
        seeds=list(fresh),
        objective=config.ranking_objective,
        folds="one",
        sampler={"name": "random"},
        pruner={"name": "none"},
        racing={"name": "none"},
        budget={"configurations": 1},
        leak=False,
        finishes={
            "study": folder.name,
            "study_id": folder.provenance()["study_id"],
            "configuration": chosen.number,
        },
    )
    return parse(StudyConfig, content, f"{folder.place}, to be finished")


def _fresh_seeds(used: Sequence[int], number: int) -> tuple[int, ...]:
    """The next so many seeds after those of a study."""
    return tuple(max(used) + place for place in range(1, number + 1))


def check_honest(folder: StudyFolder) -> None:
    """Raise FinishError for a study in which the test part chose everything already."""
    if folder.config().protocol == "published":
        raise FinishError(
            f"{folder.place}: follows `protocol: published`: the test part chose its epochs and configurations, and is "
            "not held out from them; search again with `protocol: honest` under another name"
        )


def finishing_folder(folder: StudyFolder) -> StudyFolder:
    """Name the place of the study that finishes another, there or not."""
    return StudyFolder.find(folder.studies, f"{folder.name}{SUFFIX}")


def check_finishes(folder: StudyFolder, searched: StudyFolder) -> None:
    """Raise FinishError unless a study finishes that other one, as it is, on the same recordings and weights.

    Of a study that searched among pretrained weights those count with which the finished configuration began, if the
    study knows their hash.
    """
    finishes = folder.config().finishes
    ours, theirs = folder.provenance(), searched.provenance()
    best, _ = best_configuration(searched, searched.board())
    if finishes is None or finishes.study_id != theirs["study_id"]:
        raise FinishError(
            f"{folder.place}: finishes another study than {searched.place}; name it, or remove it"
        )
    if WEIGHTS in searched.config().search:
        source = folder.config().any_recipe().backbone.pretrained
        known = of_searched_weights(theirs).get(source or "")
        theirs = {**theirs, "weights_hash": known or ours.get("weights_hash")}
    for key in ("data_hash", "fold_hash", "ages_hash", "weights_hash"):
        if ours.get(key) != theirs.get(key):
            raise FinishError(
                f"{folder.place}: was trained on something else than {searched.place} ({key} "
                f"{str(ours.get(key))[:12]}, there {str(theirs.get(key))[:12]}); remove it, and finish again"
            )
    if best is not None and best.number != finishes.configuration:
        warnings.warn(
            f"{folder.place}: finishes configuration {finishes.configuration}; the best of {searched.place} is now "
            f"{best.number}",
            stacklevel=2,
        )
