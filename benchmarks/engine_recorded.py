"""What racing and each epoch pruner save and cost on curves that studies recorded, beside what else is in use.

The columns are those of `engine_policies`. A configuration's quality is the mean of its recorded seeds, so that the
winner of training them all has no regret; the intervals are over the order in which configurations and seeds are met,
which each repeat draws anew, and know nothing of another recording. No bars: they hold for 100 configurations.

    .venv/bin/python benchmarks/engine.py policies recorded --curves FILE
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from engine_cases import Case
from engine_models import EPOCH_POLICIES, SEED_POLICIES
from engine_policies import (
    DEFAULT_RACING,
    EPOCH_STUDIES,
    NO_PRUNER,
    NO_RACING,
    OTHER_RULES,
    print_table,
)

from sweep.config.study_config import StudyConfig, with_settings
from sweep.simulation.curves_file import read_curves
from sweep.simulation.made_up_curves import ranked
from sweep.simulation.recorded_curves import RecordedCurves, RecordedStudy
from sweep.simulation.simulated_study import selected_epoch
from sweep.simulation.study_curves import StudyCurves

FILES = Path(__file__).parent / "curves"
PRUNERS: Mapping[str, dict[str, Any]] = {
    "percentile pruner, 25 %": {"name": "percentile", "arguments": {"percentile": 25.0}},
    "hyperband": {"name": "hyperband"},
    "successive halving": {"name": "successive_halving"},
    "patient median pruner, 2 epochs": {"name": "patient", "arguments": {"patience": 2}},
}


def main(files: Sequence[Path], repeats: int, processes: int) -> int:
    """Print the table for each file, by default for all in `benchmarks/curves`; returns 1 when there is none."""
    files = files or sorted(FILES.glob("*.jsonl"))
    if not files:
        print(f"no curves in {FILES}; write some with `respsweep export NAME --curves FILE`")
        return 1
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    rows = []
    for file in files:
        curves = read_curves(file)
        _check_whole(curves, file)
        studies = {
            DEFAULT_RACING: NO_PRUNER,
            **dict.fromkeys(OTHER_RULES, NO_PRUNER),
            **{name: {"pruner": pruner, **NO_RACING} for name, pruner in PRUNERS.items()},
            **EPOCH_STUDIES,
        }
        rows.append((recorded_case(curves), studies, {**SEED_POLICIES, **EPOCH_POLICIES}))
    print_table(rows, repeats, processes)
    return 0


class WholeCurves(RecordedCurves):
    """Recorded curves whose quality is the mean over the seeds of what stands for a unit."""

    def __init__(self, recording: RecordedStudy, config: StudyConfig, simulation: int) -> None:
        super().__init__(recording, simulation)
        self._config = config

    def quality(self, values: Mapping[str, Any], metric: str = "score") -> float:
        recipe = self._config.space.recipe(values)
        units = [self.curve(values, seed, recipe.epochs) for seed in self._config.seeds]
        return float(
            np.mean([ranked(curve, metric)[selected_epoch(curve, recipe, metric) - 1] for curve in units])
        )


def recorded_case(curves: StudyCurves) -> Case:
    """Build a study of all recorded configurations, with the default pruner and race."""
    # The recorded study's own rules were those that stop nothing.
    settings = {
        "sampler": {"name": "random"},
        "pruner": {"name": "forecast"},
        "racing": {"name": "contenders"},
    }
    budget = {"configurations": curves.configurations}
    config = with_settings(curves.config, {**settings, "budget": budget}, curves.name)
    recording = RecordedStudy(curves)
    made = partial(WholeCurves, recording, config)
    return Case(f"recorded: {curves.name}", made, config)


def _check_whole(curves: StudyCurves, file: Path) -> None:
    """Raise SystemExit for a study in which lengths of curves differ or units are missing."""
    lengths = {curves.config.space.recipe(unit.values).epochs for unit in curves.units}
    whole = sum(unit.finished for unit in curves.units)
    if len(lengths) > 1 or whole < curves.configurations * len(curves.config.seeds):
        raise SystemExit(
            f"{file}: {whole} finished units of {curves.configurations} configurations with epochs {sorted(lengths)}; "
            "the table needs every seed of each, and as many epochs for all"
        )
