"""Simulated studies for people: what they cost and found, beside studies that stop nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields

from rich.table import Table

from evidence.objectives import TITLES
from sweep.simulation.simulate import Outcome, Simulation, mean_and_error


def simulation_table(summary: Simulation) -> Table:
    """Make a table with a line a figure: of the study, of the study that stops nothing, their paired difference."""
    table = Table(header_style="bold", caption=_caption(summary), caption_justify="left")
    table.add_column("mean ± standard error")
    for column in ("as configured", "every seed to its end", "difference"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, (label, scale) in _LINES.items():
        study = [scale * getattr(outcome, name) for outcome in summary.study]
        yardstick = [scale * getattr(outcome, name) for outcome in summary.yardstick]
        difference = [own - other for own, other in zip(study, yardstick, strict=True)]
        if name == "hours" and summary.epoch_seconds is not None:
            label += f", at {summary.epoch_seconds:g} s an epoch"
        if name == "score":
            label = label.replace("score", TITLES[summary.metric])
        table.add_row(label, *map(_written, (study, yardstick, difference)))
    return table


_LINES: Mapping[str, tuple[str, float]] = {
    "configurations": ("configurations proposed", 1),
    "units": ("seed runs started", 1),
    "epochs": ("seed-epochs trained", 1),
    "share": ("% of all seed-epochs of what was proposed", 100),
    "hours": ("hours on the workers", 1),
    "score": ("true score of the winner, %", 100),
    "regret": ("regret against the best proposed, points", 100),
    "kept": ("winner that all seeds would give, %", 100),
    "no_winner": ("studies without a winner, %", 100),
}
assert list(_LINES) == [field.name for field in fields(Outcome)]


def _caption(summary: Simulation) -> str:
    studies = len(summary.study)
    return f"{studies} simulated studies on {summary.workers} workers; {summary.note}"


def _written(values: Sequence[float]) -> str:
    mean, error = mean_and_error(values)
    if math.isnan(mean):
        return "none"
    digits = 1 if abs(mean) >= 10 else 3
    return f"{mean:.{digits}f}" + ("" if math.isnan(error) else f" ± {error:.{digits}f}")
