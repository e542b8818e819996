"""The best configuration as one file that trains again, with where it comes from."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from data.atomic import write_whole
from data.errors import UserError
from data.quantities import counted
from data.task import task_named
from evidence.objectives import TITLES
from model.training.recipe import Recipe
from sweep.driver.provenance import weights_hash
from sweep.evaluation.cross_fold_ranking import CrossFoldRanking, chosen_configuration, read_ranking
from sweep.folder.study_folder import StudyFolder
from sweep.report.which_configuration import which_configuration
from sweep.report.winner import what_to_expect
from sweep.study.board import Board, shown_metrics
from sweep.study.comparison import comparison_of
from sweep.study.units import Configuration, Summary


class ExportError(UserError):
    """A file that cannot be written."""


def export(folder: StudyFolder, path: Path | None = None, number: int | None = None) -> Path:
    """Write a configuration of a study, the best one or that `number`, as a recipe with provenance; returns the file.

    The file is `path`, by default `best.yaml`, or `configuration-NUMBER.yaml`, in the study's folder. Raises
    NoConfigurationError when there is no configuration of that number, or when it, or none at all, has finished all its
    seeds, and ExportError when the file cannot be written. Warns of a journal that something else than respsweep has
    changed.
    """
    config, board = folder.config(), folder.board()
    if config.crosses is not None:
        raise ExportError(
            f"{folder.place}: ranks the finalists of the study {config.crosses.study}, and chooses nothing; export that "
            "one"
        )
    chosen = chosen_configuration(folder, board)
    best = chosen if number is None else which_configuration(board, folder.place, number)
    target = path or (folder.best if best is chosen else folder.path / f"configuration-{number}.yaml")
    write_recipe(folder, board, best, target)
    if (warning := folder.journal_warning()) is not None:
        warnings.warn(warning, stacklevel=2)
    return target


def write_recipe(folder: StudyFolder, board: Board, chosen: Configuration, path: Path) -> None:
    """Write a configuration that has finished all seeds as a recipe with its provenance to `path`.

    Raises ExportError when `path` cannot be written.
    """
    config = folder.config()
    recipe, provenance = config.space.recipe(chosen.values), folder.provenance()
    if "backbone.pretrained" in chosen.values:
        provenance["weights_hash"] = weights_hash(recipe)
    provenance["task"] = config.scored_task.name
    provenance["protocol"] = config.protocol
    if config.label is not None:
        provenance["test_part"] = config.label
    on_all_folds = read_ranking(folder)
    if on_all_folds is not None and chosen.number in on_all_folds.numbers["ranking"]:
        provenance["on_all_folds"] = _on_all_folds(on_all_folds, chosen.number)
    export_configuration(path, folder.name, board, chosen, recipe, provenance)


def _on_all_folds(ranking: CrossFoldRanking, number: int) -> dict[str, Any]:
    """Write down how a finalist ranks on all folds of patients."""
    found = ranking.numbers["configurations"][str(number)]
    return {
        "rank": ranking.numbers["ranking"].index(number) + 1,
        "finalists": list(ranking.numbers["ranking"]),
        "tied_with_first": ranking.tied,
        **{name: value for name, value in found.items() if name != "behind_best"},
    }


def export_configuration(
    path: Path, study: str, board: Board, chosen: Configuration, recipe: Recipe, provenance: Mapping[str, Any]
) -> None:
    """Write the recipe of a configuration and its provenance to `path`, whole or not at all.

    `provenance` names the task. The scores are those of the validation fold, over the seeds named, by which the
    configuration was chosen, by `objective`; `expected_score` is what to expect with other seeds, or with such an
    objective `expected_any_abnormal_score` or `expected_harmonic_score`. The test part was not read, unless `provenance`
    says that the protocol is the published one, and in `test_part` what that means. Raises ExportError when `path`
    cannot be written.
    """
    folds, published = recipe.folds, provenance.get("protocol") == "published"
    scored_on = (
        f"validation fold {folds.fold} of {folds.folds}, patients of the official training part"
        if folds.fold is not None
        else "the cycles of the official training part, all of which were trained on"
    )
    if published:
        scored_on = "the official test part, each unit at its best epoch there"
    summaries = {metric: chosen.summary(metric) for metric in shown_metrics(board)}
    compared = comparison_of(board)
    assert compared is not None, "only a configuration with all its seeds is exported"
    # What the test part chose has no number that other seeds would bear out.
    expected = None if published else compared.expectation(chosen.number)
    content = {
        "recipe": recipe.model_dump(mode="json"),
        "provenance": {
            "study": study,
            "configuration": chosen.number,
            "searched": {name: _plain(value) for name, value in chosen.values.items()},
            "scored_on": scored_on,
            "objective": board.objective,
            "chosen_among": len(board.configurations),
            "seeds": list(board.seeds),
            **{
                metric: _plain_summary(summary)
                for metric, summary in summaries.items()
                if summary is not None
            },
            f"expected_{board.metric}": None if expected is None else asdict(expected),
            "tied_with_best": [one.number for one in board.configurations if compared.is_tied(one.number)],
            "recipe_digest": recipe.digest(),
            **provenance,
        },
    }
    best = board.best()
    on_all_folds = provenance.get("on_all_folds")
    if on_all_folds is not None and on_all_folds["rank"] == 1:
        which = f"The best configuration of the study {study} on all folds"
    elif best is None or best.number == chosen.number:
        which = f"The best configuration of the study {study}"
    else:
        which = f"Configuration {chosen.number} of the study {study}, whose best is {best.number}"
    task = task_named(provenance["task"])
    if published:
        said = f"on the official test part.\n# {provenance['test_part']}."
    elif folds.fold is None:
        said = "on the cycles that it was trained on.\n# Nobody was held out; what it is worth, `respsweep test` says."
    else:
        said = (
            "on the patients by whose scores configurations were chosen.\n"
            f"# {what_to_expect(compared, chosen.number)}"
        )
    if on_all_folds is not None:
        mean = on_all_folds[board.metric]["mean"]
        said += (
            f"\n# On all folds of patients, by which the best is chosen, it is number {on_all_folds['rank']} of "
            f"{counted(len(on_all_folds['finalists']), 'finalist')}: {100 * mean:.1f} %."
        )
    name = task.score_name if board.objective == "score" else TITLES[board.metric]
    header = (
        f"# {which}: {chosen.summary(board.metric)} {name} {said}\n"
        f"# respsweep train {path.name} --data DIR --task {task.name} --seed 1\n"
    )
    if (synthetic := provenance.get("synthetic")) is not None:
        header += f"# Its recordings are made up: {synthetic.get('again', 'no command makes them again')}\n"
    try:
        write_whole(path, header + yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    except OSError as error:
        raise ExportError(f"{path}: cannot be written: {error.strerror}") from error


def _plain_summary(summary: Summary) -> dict[str, Any]:
    return {"mean": summary.mean, "sd": summary.sd, "seeds": summary.seeds}


def _plain(value: Any) -> Any:
    return [*map(_plain, value)] if isinstance(value, tuple) else value
