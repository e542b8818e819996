"""All that a report shows of a study, as plain values: the page draws them and computes nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.population import as_population, in_words
from data.quantities import duration
from evidence.comparison import Comparison
from evidence.ledger import ONCE, Entry, LedgerError, parse_ledger
from evidence.objectives import TITLES
from sweep.config.parameters import AnyParameter, FloatParameter, IntParameter
from sweep.config.study_config import StudyConfig
from sweep.folder.note import read_note
from sweep.folder.study_folder import StudyFolder
from sweep.report.board_in_words import failures, notes_in_words, state_of
from sweep.report.device_time import epochs_trained
from sweep.report.field_names import short_name
from sweep.report.leaderboard import best_first
from sweep.report.page.answer import answer, findings
from sweep.report.page.importance import field_importance, score_so_far
from sweep.report.page.methods import latex_table, methods
from sweep.report.searched_values import written
from sweep.storage.open_storage import open_storage
from sweep.study.board import Board, shown_metrics
from sweep.study.comparison import comparison_of
from sweep.study.units import Configuration, State, Unit

DIGITS = 5
"""Decimals of a rate in a report: a thousandth of a point."""


def report_facts(
    folder: StudyFolder,
    now: float,
    notes: Sequence[str] = (),
    answers: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Collect what a report shows of a study; `now`, in seconds since 1970, ends units that still run.

    `notes`: sentences that belong to the answer. `answers`: what `sweep.evaluation.best_answers.told_answers` tells of
    the best configuration's validation cycles; without it the page has no part on them.

    Keys: `study`, `answer` and `findings` (sentences), `parameters`, `configurations` (best first), `curves`, `race`,
    `confusion`, `answers`, `time`, `readings`, `provenance`, `methods`, `latex`. Rates are fractions, times seconds.
    """
    config, board = folder.config(), folder.board()
    compared = comparison_of(board)
    facts: dict[str, Any] = {
        "study": _study(folder, config, board, now),
        "parameters": [
            _parameter(path, parameter, config) for path, parameter in config.space.parameters.items()
        ],
        "importance": field_importance(board, config.space),
        "configurations": [
            _configuration(rank, one, board, compared, config) for rank, one in best_first(board)
        ],
        "curves": [_curve(unit, board.metric) for unit in board.units() if unit.curve],
        "race": _race(board),
        "confusion": _confusion(board, config),
        "answers": None if answers is None else _rounded(answers),
        "time": _time(board, config, now),
        "readings": _readings(folder),
        "failures": failures(board),
        "notes_of_units": notes_in_words(board),
        "provenance": _provenance(folder),
        "warning": folder.journal_warning(),
    }
    facts["answer"] = [*answer(facts, board, config), *notes]
    facts["findings"] = findings(facts)
    facts["methods"] = methods(facts, config)
    facts["latex"] = latex_table(facts)
    return facts


def _study(folder: StudyFolder, config: StudyConfig, board: Board, now: float) -> dict[str, Any]:
    task = config.scored_task
    return {
        "name": folder.name,
        "place": folder.place,
        "task": task.name,
        "labels": list(task.labels),
        "metric": board.metric,
        "score": task.score_name if board.objective == "score" else TITLES[board.metric],
        "label": config.label,
        "finishes": None if config.finishes is None else config.finishes.study,
        "state": board.stopped or ("running" if board.drivers else "not begun"),
        "made": time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(now)),
        "seeds": list(board.seeds),
        "objectives": list(config.objectives),
        "sampler": config.sampler.name,
        "pruner": config.pruner.name,
        "racing": config.racing.name,
        "data": Path(config.data).name if isinstance(config.data, str) else "synthetic breaths",
    }


def _parameter(path: str, parameter: AnyParameter, config: StudyConfig) -> dict[str, Any]:
    told = {"path": path, "name": short_name(path, config.space.parameters)}
    if isinstance(parameter, FloatParameter | IntParameter):
        kind = "log" if parameter.log else "linear"
        return {**told, "kind": kind, "low": parameter.low, "high": parameter.high}
    return {**told, "kind": "choice", "choices": [written(choice, path) for choice in parameter.choices]}


def _configuration(
    rank: int | None,
    configuration: Configuration,
    board: Board,
    compared: Comparison | None,
    config: StudyConfig,
) -> dict[str, Any]:
    summary, number = configuration.summary(board.metric), configuration.number
    interval = None if summary is None else summary.interval()
    probability = np.nan if compared is None else float(compared.probability_best[number])
    return {
        "number": number,
        "rank": rank,
        "tied": compared is not None and compared.is_tied(number),
        "state": state_of(configuration, board),
        "fate": str(configuration.fate(board.seeds)),
        "values": {path: _value(path, value, config) for path, value in configuration.values.items()},
        "means": {
            metric: None if (found := configuration.summary(metric)) is None else _rate(found.mean)
            for metric in shown_metrics(board)
        },
        "sharpness": None
        if (sharp := configuration.summary("sharpness")) is None
        else float(f"{sharp.mean:.4g}"),
        "sd": None if summary is None or summary.sd is None else _rate(summary.sd),
        "interval": None if interval is None else [_rate(end) for end in interval],
        "seeds": [
            {"seed": seed, **{metric: _rate(unit.selected.get(metric)) for metric in shown_metrics(board)}}
            for seed, unit in sorted(configuration.units.items())
            if unit.selected is not None
        ],
        "so_far": _rate(score_so_far(configuration, board.metric)),
        "best_probability": None if np.isnan(probability) else round(probability, 3),
        "epochs": sum(len(unit.curve) for unit in configuration.units.values()),
    }


def _value(path: str, value: Any, config: StudyConfig) -> float | int | str:
    parameter = config.space.parameters.get(path)
    if isinstance(parameter, FloatParameter | IntParameter) and isinstance(value, int | float):
        return float(f"{value:.6g}") if isinstance(value, float) else value
    return written(value, path)


def _curve(unit: Unit, metric: str) -> dict[str, Any]:
    return {
        "configuration": unit.configuration,
        "seed": unit.seed,
        "state": str(unit.state),
        "scores": [_rate(report[metric]) for report in unit.curve],
    }


def _race(board: Board) -> list[dict[str, Any]]:
    """Say of each configuration that was given up when, why and by how much it lay behind the best."""
    best = board.best()
    best_score = None if best is None else score_so_far(best, board.metric)
    found = []
    for one in board.configurations:
        pruned = one.units_in(State.PRUNED)
        reason = one.dropped if not pruned else pruned[0].reason
        if reason is None:
            continue
        mine = score_so_far(one, board.metric)
        found.append(
            {
                "number": one.number,
                "seeds": len(one.units_in(State.FINISHED)),
                "kind": "pruned" if pruned else "dropped",
                "reason": reason,
                "behind": None if mine is None or best_score is None else _rate(best_score - mine),
            }
        )
    return found


def _confusion(board: Board, config: StudyConfig) -> dict[str, Any] | None:
    """Sum the confusion matrices of the best configuration's seeds; None where units did not report any."""
    best = board.best()
    if best is None:
        return None
    counted = [
        np.array(unit.selected.get("confusion", ()))
        for unit in best.units.values()
        if unit.selected is not None
    ]
    classes = len(config.scored_task.labels)
    if any(matrix.shape != (classes, classes) for matrix in counted) or not counted:
        return None
    return {"number": best.number, "seeds": len(counted), "counts": np.array(counted).sum(0).tolist()}


def _time(board: Board, config: StudyConfig, now: float) -> dict[str, Any]:
    trained, of_all = epochs_trained(board, config.space.epochs)
    return {
        "wall": duration(board.wall_seconds(now)),
        "epochs": trained,
        "epochs_of_all": of_all,
        "fates": dict(Counter(str(one.fate(board.seeds)) for one in board.configurations)),
    }


def _readings(folder: StudyFolder) -> list[dict[str, Any]]:
    """Read the ledgers of the study and of the one that finishes it; one that cannot be shown says so.

    An entry has the `parts` of a reading, or `every_epoch`: how the study reads the test part at every epoch.
    """
    found = []
    for one in (folder, *_finishing(folder)):
        storage, place = open_storage(one.place), f"{one.place}/ledger.jsonl"
        if not storage.has("ledger.jsonl"):
            continue
        try:
            ledger = parse_ledger(storage.read("ledger.jsonl"), place)
            faults = "; ".join(ledger.faults()) or None
            told = {"study": one.name, "fault": faults}
            found += [
                {**told, "at": entry.at, "every_epoch": entry.reads}
                for entry in ledger.readings("sealed")
                if entry.reads != ONCE
            ]
            found += [
                {**told, "at": entry.at, "reading": entry.reading, "parts": _parts(entry)}
                for entry in ledger.readings()
            ]
        except LedgerError as error:
            found.append({"study": one.name, "fault": str(error)})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            found.append({"study": one.name, "fault": f"{place}: numbers that cannot be shown ({error!r})"})
    return found


def _finishing(folder: StudyFolder) -> list[StudyFolder]:
    """Find the study that finishes this one, if the one of that name does."""
    finishing = StudyFolder.at(folder.studies, f"{folder.name}-finish")
    if not finishing.exists or not folder.provenance_file.exists():
        return []
    finishes = finishing.config().finishes
    return (
        [finishing] if finishes is not None and finishes.study_id == folder.provenance()["study_id"] else []
    )


def _parts(entry: Entry) -> dict[str, Any]:
    population = entry.content.get("population")
    alone = "" if population is None else f", {in_words(as_population(population))} alone"
    return {
        f"{part}{alone}": {
            "cycles": int(found["cycles"]),
            "patients": int(found["patients"]),
            "score": None if (score := found["mean"]["score"]) is None else float(score),
            "interval": (ends := found["patient_interval"]) and [float(end) for end in ends],
        }
        for part, found in entry.content["numbers"].items()
    }


def _provenance(folder: StudyFolder) -> dict[str, Any]:
    """Tell what the study's numbers rest on, and the note that a person keeps with the study."""
    known = folder.provenance() if folder.provenance_file.exists() else {}
    note = read_note(folder)
    return _plain({**({"note": note} if note else {}), **known})


def _rate(value: float | None) -> float | None:
    return None if value is None else round(float(value), DIGITS)


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return _rate(value) if isinstance(value, float) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
