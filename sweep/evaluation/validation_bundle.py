"""A study's validation predictions as a bundle, with the numbers that its journal tells of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.atomic import write_whole
from data.dataset import TRAINING_PART, DataSet
from data.errors import UserError
from data.folds import Folds
from data.recipe_parts import FoldConfig
from data.recordings import read_recordings
from evidence.bundle import Bundle, Cycles, write_bundle
from evidence.comparison import comparison_numbers
from sweep.evaluation.cycles_table import cycles_of, folds_of
from sweep.evaluation.recordings_of import recordings_of
from sweep.evaluation.scored_cycles import about_population, other_ages, some_rows, validated_rows
from sweep.folder.study_folder import StudyFolder
from sweep.study.board import Board, shown_metrics
from sweep.study.comparison import comparison_of
from sweep.study.units import Fate, State, Unit
from sweep.worker.unit_results import read_predictions


class BundleExportError(UserError):
    """A study of which no bundle can be made."""


def export_bundle(folder: StudyFolder, path: Path, data: Path | None = None) -> int:
    """Write the validation predictions of a study's finished units to `path`; returns how many units are in it.

    The bundle claims what the study's journal says of these units, of the configurations with all seeds, and of their
    ranking; `respsweep verify` computes all of it again from the predictions. `data`: where the recordings lie, unless
    where the study says. Raises BundleExportError when the study kept no predictions, or its recordings are others now.
    """
    config, board, provenance = folder.config(), folder.board(), folder.provenance()
    recipe = config.any_recipe()
    if config.crosses is not None:
        raise BundleExportError(
            f"{folder.place}: its units validate on different folds; their bundle is written when all are trained, and "
            f"copied by: respsweep export {folder.arguments} --bundle FILE"
        )
    if recipe.folds.fold is None:
        raise BundleExportError(
            f"{folder.place}: nobody was held out in this study, so there is no validation"
        )
    recordings, cycles, folds = training_cycles(folder, recipe.folds, data)
    finished = [unit for unit in board.units() if unit.state is State.FINISHED]
    found = {
        (unit.configuration, unit.seed): read_predictions(folder.predictions, unit.configuration, unit.seed)
        for unit in finished
    }
    predictions = {unit: kept for unit, kept in found.items() if kept is not None}
    if not predictions:
        raise BundleExportError(
            f"{folder.place}: no predictions of finished units; they are kept of units that end from now on"
        )
    bundle = Bundle(
        kind="validation",
        labels=recordings.task.labels,
        formula=recordings.task.score,
        about={
            "study": folder.name,
            "study_id": provenance["study_id"],
            "task": recordings.task.name,
            "objective": board.objective,
            "data_hash": provenance["data_hash"],
            "fold_hash": provenance["fold_hash"],
            "fold": recipe.folds.fold,
            **about_population(recipe.folds, provenance),
            "commit": provenance.get("commit"),
            "seeds": list(board.seeds),
            "tried": len(board.configurations),
            "ties": "ranked",
            "pruned": sum(bool(each.units_in(State.PRUNED)) for each in board.configurations),
            "closed": [each.number for each in board.configurations if _is_closed(each.fate(board.seeds))],
            "without_predictions": sorted(
                f"{number}/{seed}" for number, seed in found.keys() - predictions.keys()
            ),
            "recipes": {
                str(number): config.space.recipe(board.configurations[number].values).digest()
                for number in sorted({number for number, _ in predictions})
            },
        },
        claims=_claims(board, set(predictions)),
        cycles=some_rows(cycles, validated_rows(recordings, cycles, folds, recipe.folds)),
        predictions=predictions,
    )
    write_whole(path, write_bundle(bundle)[0])
    return len(predictions)


def training_cycles(
    folder: StudyFolder, asked: FoldConfig, data: Path | None = None
) -> tuple[DataSet, Cycles, Folds]:
    """Read the recordings of a study, and list the cycles of the training part and the folds that they validate in.

    Raises BundleExportError for other recordings or folds than those that the study's units were trained on.
    """
    recordings = read_recordings(recordings_of(folder, data), folder.config().scored_task.name)
    cycles = cycles_of(recordings, [TRAINING_PART])
    folds = folds_of(recordings, cycles, asked)
    provenance = folder.provenance()
    if recordings.content_hash() != provenance["data_hash"] or folds.hash() != provenance["fold_hash"]:
        raise BundleExportError(
            f"{recordings.directory}: other recordings, or other folds of them, than the study was trained on"
        )
    if (fault := other_ages(recordings, provenance)) is not None:
        raise BundleExportError(fault)
    return recordings, cycles, folds


def _claims(board: Board, kept: set[tuple[int, int]]) -> dict[str, Any]:
    """Tell what the journal says of the units whose predictions were kept, in the form of `validation_numbers`."""
    everything = all(
        (unit.configuration, unit.seed) in kept for unit in board.units() if unit.state is State.FINISHED
    )
    metrics = shown_metrics(board)
    units: dict[str, dict[str, Any]] = {}
    for unit in board.units():
        if (unit.configuration, unit.seed) in kept:
            units.setdefault(str(unit.configuration), {})[str(unit.seed)] = _reported(unit, metrics)
    ranking = [
        configuration
        for configuration in board.ranking()
        if all((configuration.number, seed) in kept for seed in board.seeds)
    ]
    summaries = {
        str(configuration.number): {metric: configuration.summary(metric) for metric in metrics}
        for configuration in ranking
    }
    return {
        "units": units,
        "configurations": {
            number: {
                metric: {"mean": summary.mean, "sd": summary.sd, "seeds": summary.seeds}
                for metric, summary in metrics.items()
                if summary is not None
            }
            for number, metrics in summaries.items()
        },
        "ranking": [configuration.number for configuration in ranking],
        "comparison": comparison_numbers(comparison_of(board)) if everything else None,
    }


def _reported(unit: Unit, metrics: tuple[str, ...]) -> dict[str, Any]:
    assert unit.selected is not None, "it has finished"
    return {name: unit.selected[name] for name in ("confusion", *metrics)}


def _is_closed(fate: Fate) -> bool:
    return fate not in (Fate.OPEN, Fate.COMPLETE)
