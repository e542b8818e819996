"""How well the end of a study is foretold from what has happened so far (`sweep.simulation.time_left`).

Each study is played on recorded curves with the default pruner and race. After a third and after two thirds of its time
the rest is foretold from its events alone, and held against how long it took: errors are of the rest, as a share. Beside
it stands what the same number of units at the pace so far would say: all seeds of all configurations, pruning unknown.

    .venv/bin/python benchmarks/engine.py left --curves FILE
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
from engine_recorded import FILES, recorded_case

from sweep.simulation.curves_file import read_curves
from sweep.simulation.simulated_study import SimulatedStudy, simulate_study
from sweep.simulation.time_left import time_left
from sweep.study.board import Board

SHARES = (1 / 3, 2 / 3)
CLOSE, MOST = 0.25, 0.5
"""How near a foretelling is to be, and in which share of the studies at least."""


def main(files: Sequence[Path], repeats: int, workers: Sequence[int]) -> int:
    """Print a row for each file, number of workers and share of the study; returns 1 when too few are near."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print(
        "| curves | workers | after | within 25 % | median error | worst | plays foretell | at the pace so far |"
    )
    print("|---|---|---|---|---|---|---|---|")
    missed = False
    for file in files or sorted(FILES.glob("*.jsonl")):
        case = recorded_case(read_curves(file))
        for count in workers:
            studies = [
                simulate_study(case.config, case.curves(repeat), count, repeat=repeat)
                for repeat in range(repeats)
            ]
            for share in SHARES:
                found = [_errors(study, count, share) for study in studies]
                errors = np.array([error for error, _, _ in found])
                near = float((np.abs(errors) <= CLOSE).mean())
                missed |= share == SHARES[0] and near < MOST
                inside = float(np.mean([inside for _, inside, _ in found]))
                pace = float(np.median(np.abs([pace for _, _, pace in found])))
                worst = errors[np.argmax(np.abs(errors))]
                print(
                    f"| {file.stem} | {count} | {share:.0%} | {near:.0%} | {np.median(errors):+.0%} | {worst:+.0%} | "
                    f"{inside:.0%} | {pace:.0%} |",
                    flush=True,
                )
    return int(missed)


def _errors(study: SimulatedStudy, workers: int, share: float) -> tuple[float, bool, float]:
    """Error of what is foretold, whether the truth lies within the plays, and the error at the pace so far."""
    end = study.events[-1].at
    past = [event for event in study.events if event.at <= share * end]
    truth = end - past[-1].at
    left = time_left(study.config, past, workers)
    assert left is not None, "a unit has finished by then"
    board = Board(events=past)
    configurations = study.config.budget.configurations or 0
    to_come = configurations * len(board.seeds) - board.ended.total()
    pace = past[-1].at * to_come / max(1, board.ended.total())
    return left.seconds / truth - 1, left.low <= truth <= left.high, pace / truth - 1
