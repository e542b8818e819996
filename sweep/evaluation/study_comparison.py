"""Two studies on the same recordings: whether their scores can be compared, and how far apart their winners are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data.errors import DataError
from data.population import written
from data.settings import ConfigError
from evidence.cross_folds import draws_of_answers
from evidence.predictions import answers_of
from evidence.scores import confusion_matrix
from evidence.validation import unit_numbers
from sweep.config.resumption import EVIDENCE, setting_differences
from sweep.config.study_config import StudyConfig
from sweep.evaluation.cross_fold_bundle import checked_answers
from sweep.evaluation.cross_fold_ranking import CrossFoldError, best_configuration
from sweep.evaluation.scored_cycles import validated_rows
from sweep.evaluation.validation_bundle import BundleExportError, training_cycles
from sweep.folder.study_folder import StudyFolder
from sweep.report.compared_studies import PairedDifference, StudyComparison, Winner
from sweep.study.board import Board
from sweep.study.comparison import comparison_of
from sweep.study.units import Configuration


def compare_studies(one: StudyFolder, other: StudyFolder, data: Path | None = None) -> StudyComparison:
    """Compare two studies: what each chose, which settings differ, and how far the winners are apart.

    The difference is that of the answers that both winners' units kept on the same validation cycles, paired by patient
    and seed (`evidence.patient_bootstrap`). There is none where the studies were scored on different patients or tasks:
    `faults` say so. `data`: where the recordings lie, unless where the first study says.
    """
    folders = (one, other)
    configs, boards = [folder.config() for folder in folders], [folder.board() for folder in folders]
    faults = tuple(_faults(folders, configs))
    chosen = [
        best_configuration(folder, board)[0] if board.competes else None
        for folder, board in zip(folders, boards, strict=True)
    ]
    winners = [
        None if best is None else _winner(folder, config, board, best)
        for folder, config, board, best in zip(folders, configs, boards, chosen, strict=True)
    ]
    difference, why = None, ""
    if not faults:
        difference, why = _difference(folders, configs, boards, chosen, data)
    return StudyComparison(
        (one.place, other.place),
        faults,
        (winners[0], winners[1]),
        difference,
        why,
        (*setting_differences(*configs), *_other_weights(folders)),
    )


def _faults(folders: tuple[StudyFolder, StudyFolder], configs: list[StudyConfig]) -> Iterator[str]:
    """Say in a line each why the scores of two studies are not of the same thing."""
    one, other = folders
    for folder, config in zip(folders, configs, strict=True):
        if not folder.provenance_file.exists():
            yield f"{folder.place} has not begun, so that nothing is known of its recordings"
        if not config.searches:
            yield f"{folder.place} was made of another study, and chooses nothing"
    tasks, protocols = (
        [config.scored_task.name for config in configs],
        [config.protocol for config in configs],
    )
    for what, (first, second) in (("task", tasks), ("protocol", protocols)):
        if first != second:
            yield f"{what}: {first} in {one.place}, {second} in {other.place}"
    if not all(folder.provenance_file.exists() for folder in folders):
        return
    known = [folder.provenance() for folder in folders]
    for key, what in EVIDENCE.items():
        first, second = (str(each.get(key))[:12] for each in known)
        # A study of patients of any age keeps no hash of their ages; whom it scored is said below.
        ageless = key == "ages_hash" and not all(key in each for each in known)
        # Other weights to start from are a setting, on the same patients.
        if first != second and key != "weights_hash" and not ageless:
            yield f"other {what}: {key} {first} in {one.place}, {second} in {other.place}"
    folds = [config.any_recipe().folds.fold for config in configs]
    if folds[0] != folds[1]:
        yield f"validated on different patients: fold {folds[0]} in {one.place}, {folds[1]} in {other.place}"
    populations = [written(config.any_recipe().folds.population) for config in configs]
    if populations[0] != populations[1]:
        yield (
            f"scored on different patients: folds.population {populations[0]} in {one.place}, {populations[1]} in "
            f"{other.place}"
        )


def _other_weights(folders: tuple[StudyFolder, StudyFolder]) -> list[tuple[str, str, str]]:
    if not all(folder.provenance_file.exists() for folder in folders):
        return []
    one, other = (str(folder.provenance().get("weights_hash") or "none")[:12] for folder in folders)
    return [] if one == other else [("weights to start from (SHA-256)", one, other)]


def _winner(folder: StudyFolder, config: StudyConfig, board: Board, best: Configuration) -> Winner:
    summary, compared = best.summary(board.metric), comparison_of(board)
    assert summary is not None, "it has all its seeds"
    expected = None if compared is None or not config.holds_out else compared.expectation(best.number)
    luck = None if expected is None else expected.luck
    return Winner(folder.place, best.number, best.values, board.metric, summary, luck)


def _difference(
    folders: tuple[StudyFolder, StudyFolder],
    configs: list[StudyConfig],
    boards: list[Board],
    chosen: list[Configuration | None],
    data: Path | None,
) -> tuple[PairedDifference | None, str]:
    """Compute how far two winners are apart; where that cannot be done, None and why."""
    asked = configs[0].any_recipe().folds
    if asked.fold is None:
        return None, "nobody was held out"
    seeds = [seed for seed in boards[0].seeds if seed in boards[1].seeds]
    if not seeds:
        return None, "they have no seed in common"
    try:
        recordings, cycles, folds = training_cycles(folders[0], asked, data)
    except (DataError, ConfigError, BundleExportError) as error:
        return None, f"{error}; give --data DIR"
    rows = validated_rows(recordings, cycles, folds, asked)
    labels, patients = cycles.labels[rows], cycles.patients[rows]
    answers: list[list[np.ndarray]] = []
    for folder, best in zip(folders, chosen, strict=True):
        if best is None:
            return None, f"{folder.place} has no winner"
        try:
            kept = [checked_answers(folder, best, seed, labels) for seed in seeds]
        except CrossFoldError as error:
            return None, str(error)
        given = [answers_of(one) for one in kept if one is not None]
        if len(given) < len(seeds):
            return None, f"{folder.place} kept no answers of all seeds of no. {best.number}"
        answers.append(given)
    metric = boards[0].metric if boards[0].metric == boards[1].metric else "score"
    classes, formula = recordings.task.num_classes, recordings.task.score
    means = [
        float(np.mean([_rate(labels, one, classes, formula, metric) for one in each])) for each in answers
    ]
    drawn = draws_of_answers(labels, patients, answers, classes, formula, metric)
    low, high = (None, None) if drawn is None else drawn.difference(0, 1)[1:]
    return (
        PairedDifference(
            metric, means[0] - means[1], low, high, tuple(seeds), len(np.unique(patients)), len(rows)
        ),
        "",
    )


def _rate(labels: np.ndarray, answers: np.ndarray, classes: int, formula: str, metric: str) -> float:
    return unit_numbers(confusion_matrix(labels, answers, classes), formula, (metric,))[metric]
