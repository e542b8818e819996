"""How a study stands, as plain values for programs."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from typing import Any

from sweep.folder.note import read_note
from sweep.folder.study_folder import StudyFolder
from sweep.report.board_in_words import notes_of_units
from sweep.report.device_time import device_times, epochs_trained, totals
from sweep.report.study_state import state_of_study
from sweep.study.budget import Budget
from sweep.study.comparison import comparison_of


def status_facts(folder: StudyFolder, *, units: bool = False) -> dict[str, Any]:
    """Tell all that `respsweep status` shows as plain values; with `units` the device time of each unit as well.

    Keys: `study`, `place`, `state` (a word), `why` (who runs it, or why it stopped), `note`, `task`, `protocol`, `label`
    (what it does with the test part), `warning` (of a changed journal), `configurations` and `units` (numbers by how
    they stand), `budget` (limit, used, allowed), `objective`, `best` (None, or number, mean, sd, seeds, and `luck` as a
    fraction, None where unknown), `seconds` (run), `drivers` (times started), `epochs` (trained, and of_all: with every
    seed of each configuration, None while one is open), `accused_nodes`, `notes_of_units` (what units told beside their
    epochs, with how many told it, the most frequent first), `device_seconds` (by state: units, kept, lost).
    """
    config, board, lock = folder.config(), folder.board(), folder.lock()
    holder, now = lock.held_by(), lock.last_sign() or time.time()
    state = state_of_study(board, holder)
    budget = Budget(
        config.budget, config.racing, gpus=config.resources.gpu, slots=1, epochs=config.space.epochs
    )
    best, compared = board.best() if board.competes else None, comparison_of(board)
    summary = None if best is None else best.summary(board.metric)
    expected = None if best is None or compared is None else compared.expectation(best.number)
    accounts = device_times(board, now)
    return {
        "study": folder.name,
        "place": folder.place,
        "state": state.word,
        "why": state.why,
        "note": read_note(folder),
        "task": config.scored_task.name,
        "protocol": config.protocol,
        "label": config.label,
        "warning": folder.journal_warning(),
        "configurations": Counter(str(one.fate(board.seeds)) for one in board.configurations),
        "units": Counter(str(unit.state) for unit in board.units()),
        "budget": [asdict(use) for use in budget.uses(board, now)],
        "objective": board.metric,
        "best": None
        if best is None or summary is None
        else {
            "configuration": best.number,
            **asdict(summary),
            "luck": None if expected is None or not config.holds_out else expected.luck,
        },
        "seconds": board.wall_seconds(now),
        "drivers": len(board.drivers),
        "epochs": dict(zip(("trained", "of_all"), epochs_trained(board, config.space.epochs), strict=True)),
        "accused_nodes": {
            name: node.reason for name, node in board.nodes.items() if node.accused is not None
        },
        "notes_of_units": [{"note": note, "units": count} for note, count in notes_of_units(board)],
        "device_seconds": {str(state): asdict(total) for state, total in totals(accounts).items()},
        **({"accounts": [asdict(account) for account in accounts]} if units else {}),
    }


def device_rows(folder: StudyFolder, *, units: bool = False) -> list[dict[str, Any]]:
    """List device time in seconds, by the state of units or of each unit: the tables of `respsweep status`."""
    facts = status_facts(folder, units=True)
    if units:
        return facts["accounts"]
    return [{"state": state, **total} for state, total in facts["device_seconds"].items()]
