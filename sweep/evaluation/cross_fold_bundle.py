"""The bundle that ranks finalists on all folds of patients: what their units answered, put together and scored."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.atomic import write_whole
from evidence.bundle import Bundle, write_bundle
from evidence.cross_folds import FOLD, cross_fold_numbers
from evidence.predictions import answers_of
from evidence.scores import confusion_matrix
from sweep.evaluation.cross_fold_ranking import (
    FILE,
    CrossFoldError,
    CrossFoldRanking,
    crossing_folder,
    read_ranking,
)
from sweep.evaluation.scored_cycles import about_population, some_rows, validated_rows
from sweep.evaluation.validation_bundle import training_cycles
from sweep.folder.study_folder import StudyFolder
from sweep.report.board_in_words import failures
from sweep.storage.open_storage import open_storage
from sweep.storage.patience import patiently
from sweep.study.board import FOLD as FOLD_FIELD
from sweep.study.board import Board
from sweep.study.units import Configuration, State, Unit
from sweep.worker.unit_results import read_predictions


def write_ranking(folder: StudyFolder, data: Path | None = None) -> CrossFoldRanking:
    """Rank the finalists of a study, whose other folds have been trained, and write the bundle; returns the ranking.

    `data`: where the recordings lie, unless where the study says. Raises CrossFoldError when no finalist has answers of
    all folds and seeds, or when answers are not those that the journals tell of.
    """
    crossing = crossing_folder(folder)
    bundle = _bundle(folder, crossing, data)
    content, _ = write_bundle(replace(bundle, claims=cross_fold_numbers(bundle)))
    patiently(lambda: open_storage(crossing.place).write(FILE, content))
    if lacking := sorted(set(bundle.about["finalists"]) - {number for number, _ in bundle.predictions}):
        warnings.warn(
            f"{crossing.place}: not ranked, as some folds were not trained to the end: configuration "
            f"{', '.join(map(str, lacking))}; try failed units again with: respsweep retry {crossing.arguments}",
            stacklevel=2,
        )
    found = read_ranking(folder)
    assert found is not None, "it has just been written"
    return found


def export_ranking(crossing: StudyFolder, path: Path) -> int:
    """Copy the bundle of a study of other folds to `path`; returns how many finalists it ranks.

    Raises CrossFoldError when there is none yet.
    """
    config = crossing.config()
    assert config.crosses is not None, "it trains other folds"
    ranking = read_ranking(StudyFolder.open(crossing.studies, config.crosses.study))
    if ranking is None:
        raise CrossFoldError(
            f"{crossing.place}: its folds have not all been trained, so there is no ranking yet"
        )
    write_whole(path, patiently(lambda: open_storage(crossing.place).read(FILE)))
    return len(ranking.numbers["ranking"])


def _bundle(folder: StudyFolder, crossing: StudyFolder, data: Path | None) -> Bundle:
    config, board, crossed = folder.config(), folder.board(), crossing.board()
    asked, provenance = config.any_recipe().folds, folder.provenance()
    assert asked.fold is not None, "a search holds somebody out"
    recordings, cycles, folds = training_cycles(folder, asked, data)
    theirs = crossing.provenance()
    if any(theirs.get(key) != provenance.get(key) for key in ("data_hash", "fold_hash", "ages_hash")):
        raise CrossFoldError(
            f"{crossing.place}: was trained on other recordings or folds than {folder.place}; remove it"
        )
    rows = {fold: validated_rows(recordings, cycles, folds, asked, fold) for fold in range(asked.folds)}
    pool = np.sort(np.concatenate(list(rows.values())))
    predictions: dict[tuple[int, int], np.ndarray] = {}
    finalists = _sources(board, crossing, crossed)
    for number, sources in finalists.items():
        sources = {asked.fold: (folder, board.configurations[number]), **sources}
        for seed in board.seeds:
            whole = np.zeros((len(cycles), recordings.task.num_classes), dtype=np.float16)
            found = [
                checked_answers(*sources[fold], seed, cycles.labels[held_out]) if fold in sources else None
                for fold, held_out in rows.items()
            ]
            if any(one is None for one in found):
                break
            for held_out, kept in zip(rows.values(), found, strict=True):
                whole[held_out] = kept
            predictions[number, seed] = whole[pool]
    complete = {
        number for number, _ in predictions if all((number, seed) in predictions for seed in board.seeds)
    }
    if not complete:
        raise CrossFoldError(
            "; ".join([f"{crossing.place}: no finalist has every seed on all folds", *failures(crossed)[:1]])
        )
    fold_of = np.zeros(len(cycles), dtype=int)
    for fold, held_out in rows.items():
        fold_of[held_out] = fold
    table = some_rows(cycles, pool)
    return Bundle(
        kind="folds",
        labels=recordings.task.labels,
        formula=recordings.task.score,
        about={
            "study": folder.name,
            "study_id": provenance["study_id"],
            "task": recordings.task.name,
            "objective": board.objective,
            "data_hash": provenance["data_hash"],
            "fold_hash": provenance["fold_hash"],
            "folds": asked.folds,
            "searched_fold": asked.fold,
            **about_population(asked, provenance),
            "finalists": sorted(finalists),
            "commit": provenance.get("commit"),
            "numpy": np.__version__,
            "seeds": list(board.seeds),
            "recipes": {
                str(number): config.space.recipe(board.configurations[number].values).digest()
                for number in sorted(complete)
            },
        },
        claims={},
        cycles=replace(table, groups={**table.groups, FOLD: tuple(map(str, fold_of[pool].tolist()))}),
        predictions={unit: kept for unit, kept in predictions.items() if unit[0] in complete},
    )


def _sources(
    board: Board, crossing: StudyFolder, crossed: Board
) -> dict[int, dict[int, tuple[StudyFolder, Configuration]]]:
    """Find what trained each fold of a finalist: by its number in the search, and by the fold."""
    found: dict[int, dict[int, tuple[StudyFolder, Configuration]]] = {}
    for trained in crossed.configurations:
        values = {path: value for path, value in trained.values.items() if path != FOLD_FIELD}
        for finalist in board.ranking():
            if finalist.values == values:
                found.setdefault(finalist.number, {})[int(trained.values[FOLD_FIELD])] = crossing, trained
    return found


def checked_answers(
    folder: StudyFolder, trained: Configuration, seed: int, labels: np.ndarray
) -> np.ndarray | None:
    """Read the probabilities that a unit gave the cycles that it validated, float16, (cycles, classes).

    `labels`: true ones of these cycles. None where the unit has not finished, or kept nothing. Raises CrossFoldError
    when the answers are not those that the journal tells of.
    """
    unit: Unit | None = trained.units.get(seed)
    if unit is None or unit.state is not State.FINISHED or unit.selected is None:
        return None
    kept = read_predictions(folder.predictions, trained.number, seed)
    if kept is None:
        return None
    classes = len(unit.selected["confusion"])
    fits = kept.shape == (len(labels), classes)
    if not fits or confusion_matrix(labels, answers_of(kept), classes).tolist() != unit.selected["confusion"]:
        raise CrossFoldError(
            f"{folder.place}: predictions of {unit.id}: not those that its journal tells of; train it again"
        )
    return kept
