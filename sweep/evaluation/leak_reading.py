"""How far choosing by the test part would have raised a study's score: from what its units answered at every epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.dataset import DataSet
from data.quantities import counted
from data.recordings import read_recordings
from evidence.bundle import Cycles
from evidence.leak import FEWEST_PATIENTS, Leak, LeakedEpochs, leak
from evidence.objectives import TITLES
from evidence.predictions import answers_of, check_probabilities
from evidence.reading import patient_interval
from evidence.seed_statistics import FEWEST_SEEDS
from sweep.evaluation.cross_fold_ranking import best_configuration
from sweep.evaluation.cycles_table import cycles_of
from sweep.evaluation.epoch_readings import parts_to_test
from sweep.evaluation.ledgers import Ledgers, ReadingError, part_hash
from sweep.evaluation.recordings_of import recordings_of
from sweep.folder.study_folder import StudyFolder
from sweep.report.board_in_words import why_no_best
from sweep.study.board import Board
from sweep.study.units import Configuration, unit_id
from sweep.worker.unit_results import UnitResultError, read_leaked

FEW_CONFIGURATIONS = 3
"""Below so many there is little to choose among."""


@dataclass(frozen=True)
class LeakOfPart:
    """Of one official test part: its size, the honest score with its interval, and the rises.

    `interval`: 95 % over other patients and other seeds; None for too few of them. `remarks`: lines on what there is
    too little of.
    """

    part: str
    cycles: int
    patients: int
    leak: Leak
    interval: tuple[float, float] | None
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class StudyLeak:
    """Of a study: the configuration that validation chose, what was compared with it, and each test part by itself.

    `configurations`: those with all their `seeds`, of `of` in all. `epochs`: the fewest and the most of a unit.
    """

    study: str
    chosen: int
    configurations: int
    of: int
    seeds: int
    epochs: tuple[int, int]
    parts: tuple[LeakOfPart, ...]


def read_leak(folder: StudyFolder, data: Path | None = None) -> StudyLeak:
    """Compute how far the habits of `evidence.leak` raise the test score of a study with `leak: true`.

    All configurations with all their seeds are compared, as the leaderboard ranks them. `data`: where the recordings
    lie, unless where the study says. Raises ReadingError when the study kept no such answers, no ledger tells of them,
    no configuration is complete, or the recordings are others now; UnitResultError for answers that are missing.
    """
    config, board = folder.config(), folder.board()
    if not config.leak:
        raise ReadingError(
            f"{folder.place}: its units did not answer the test part; begin a study of another name with `leak: true`"
        )
    ranking = sorted(board.ranking(), key=lambda configuration: configuration.number)
    best, _ = best_configuration(folder, board)
    if best is None:
        raise ReadingError(f"{folder.place}: {why_no_best(board)}")
    recordings = read_recordings(recordings_of(folder, data), config.scored_task.name)
    provenance = folder.provenance()
    if (data_hash := recordings.content_hash()) != provenance["data_hash"]:
        raise ReadingError(
            f"{recordings.directory}: other recordings (data_hash {data_hash[:12]}) than the study was trained on "
            f"({provenance['data_hash'][:12]})"
        )
    if Ledgers(folder, part_hash(recordings)).seal_of(provenance["study_id"]) is None:
        raise ReadingError(
            f"{folder.place}: no line of its ledger says that its units read the test part; what happened to it, "
            f"`respsweep ledger {folder.arguments}` says"
        )
    cycles = cycles_of(recordings, parts_to_test(recordings))
    answers = _answers(folder, board, ranking, recordings, len(cycles))
    lengths = [len(epochs) for epochs in answers.values()]
    return StudyLeak(
        study=folder.name,
        chosen=best.number,
        configurations=len(ranking),
        of=len(board.configurations),
        seeds=len(board.seeds),
        epochs=(min(lengths), max(lengths)),
        parts=tuple(
            _of_part(part, recordings, cycles, answers, board, ranking, best)
            for part in dict.fromkeys(cycles.parts)
        ),
    )


def _answers(
    folder: StudyFolder, board: Board, ranking: Sequence[Configuration], recordings: DataSet, cycles: int
) -> dict[tuple[int, int], np.ndarray]:
    """Read what each unit answered, the most probable label: (epochs, cycles) by configuration and seed."""
    found = {}
    for configuration in ranking:
        for seed in board.seeds:
            epochs = len(configuration.units[seed].curve)
            kept = read_leaked(folder.leak, configuration.number, seed, epochs)
            for epoch, probabilities in enumerate(kept, start=1):
                try:
                    check_probabilities(probabilities, cycles, recordings.task.num_classes)
                except ValueError as error:
                    unit = unit_id(configuration.number, seed)
                    raise UnitResultError(f"{folder.leak}/{unit}: epoch {epoch}: {error}") from error
            found[configuration.number, seed] = np.stack([answers_of(one) for one in kept])
    return found


def _of_part(
    part: str,
    recordings: DataSet,
    cycles: Cycles,
    answers: Mapping[tuple[int, int], np.ndarray],
    board: Board,
    ranking: Sequence[Configuration],
    best: Configuration,
) -> LeakOfPart:
    rows = np.flatnonzero(np.array(cycles.parts) == part)
    labels, formula, classes = cycles.labels[rows], recordings.task.score, recordings.task.num_classes
    known, patients = np.unique(cycles.patients[rows], return_inverse=True)
    longest = max(len(epochs) for epochs in answers.values())
    # A unit of fewer epochs has its last one several times, which no choice among them notices.
    padded = np.stack(
        [
            [
                np.pad(epochs, ((0, longest - len(epochs)), (0, 0)), mode="edge")[:, rows]
                for seed in board.seeds
                for epochs in [answers[configuration.number, seed]]
            ]
            for configuration in ranking
        ]
    )  # (configurations, seeds, epochs, cycles)
    right = padded == labels
    chosen = ranking.index(best)
    epochs = np.array([[_epoch(configuration, seed) for seed in board.seeds] for configuration in ranking])
    at_protocol = [padded[chosen, place, epochs[chosen, place]] for place in range(len(board.seeds))]
    found = LeakedEpochs(
        normal=np.bincount(patients[labels == 0], minlength=len(known)),
        abnormal=np.bincount(patients[labels != 0], minlength=len(known)),
        normal_found=_by_patient(right[..., labels == 0], patients[labels == 0], len(known)),
        abnormal_found=_by_patient(right[..., labels != 0], patients[labels != 0], len(known)),
        chosen=chosen,
        epochs=epochs,
    )
    if not (found.normal.sum() and found.abnormal.sum()):
        raise ReadingError(f"the {part} part has no normal or no abnormal cycle, so that there is no score")
    interval = patient_interval(labels, cycles.patients[rows], at_protocol, classes, formula)
    return LeakOfPart(
        part=part,
        cycles=len(rows),
        patients=len(known),
        leak=leak(found, formula),
        interval=None if interval is None else (interval[0], interval[1]),
        remarks=tuple(_remarks(len(known), board, ranking)),
    )


def _epoch(configuration: Configuration, seed: int) -> int:
    """The epoch, from 0, that stands for a unit."""
    selected = configuration.units[seed].selected
    assert selected is not None, "it has finished"
    return selected["epoch"] - 1


def _by_patient(right: np.ndarray, patients: np.ndarray, count: int) -> np.ndarray:
    """Count right answers, (configurations, seeds, epochs, cycles), by patient."""
    whose = np.zeros((len(patients), count))
    whose[np.arange(len(patients)), patients] = 1
    return right.astype(float) @ whose


def _remarks(patients: int, board: Board, ranking: Sequence[Configuration]) -> list[str]:
    found, seeds, configurations = [], len(board.seeds), len(ranking)
    if board.objective != "score":
        found.append(
            f"validation chose by the {TITLES[board.metric]}; all numbers here are of the task's score"
        )
    if patients < FEWEST_PATIENTS:
        found.append(f"{counted(patients, 'patient')}: too few for intervals, which take {FEWEST_PATIENTS}")
    if seeds < FEWEST_SEEDS:
        found.append(f"{counted(seeds, 'seed')}: too few to say what the best seed, or other seeds, would do")
    if configurations < FEW_CONFIGURATIONS:
        found.append(
            f"{counted(configurations, 'configuration')} with all seeds of {len(board.configurations)}: too few to say "
            "what choosing among many would do; `racing: none` and `pruner: none` train all of them"
        )
    return found
