"""What is known of a study before it runs, for people: tables and lines, or JSON, CSV, Markdown and LaTeX."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Literal

import pandas as pd
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from data.quantities import counted, duration, size
from sweep.report.space_table import in_yaml, space_table
from sweep.report.study_plan import Cost, Plan
from sweep.report.table_formats import as_data, as_latex, as_markdown

VARIANTS = {"cost": "as configured", "cost_to_the_end": "every seed to its end"}
"""Costs of a plan, and how they are headed."""


def plan_parts(plan: Plan) -> list[RenderableType]:
    """Draw a plan: the search space, the first proposals, what they cost, and what is missing."""
    missing = [Text(f"missing: {line}", style="bold red") for line in plan.missing]
    tables = [part for table in _tables(plan) for part in (table, Text())]
    return [*tables, *map(Text, _lines(plan)), *missing]


def plan_text(plan: Plan, form: Literal["json", "csv", "markdown", "latex"]) -> str:
    """Write a plan for programs and papers: as JSON all of it, as CSV what it costs, else the tables."""
    if form == "json":
        content = {**asdict(plan), "config": plan.config.model_dump(mode="json")}
        return json.dumps(content, indent=1)
    if form == "csv":
        return as_data(cost_frame(plan), form).rstrip("\n")
    write = as_markdown if form == "markdown" else as_latex
    return "\n\n".join(write(table) for table in _tables(plan))


def cost_frame(plan: Plan) -> pd.DataFrame:
    """Make a table with a row for the study as configured, and one for every seed to its end.

    Columns: `variant`, then the fields of `sweep.report.study_plan.Cost`; NaN where one is not known.
    """
    rows = [{"variant": title, **asdict(getattr(plan, name))} for name, title in VARIANTS.items()]
    return pd.DataFrame(rows).astype({field.name: float for field in fields(Cost)})


def _tables(plan: Plan) -> list[Table]:
    return [space_table(plan.config.space, _points(plan)), _proposals_table(plan), _cost_table(plan)]


def _points(plan: Plan) -> str:
    many = "infinitely many points" if plan.points is None else counted(plan.points, "point")
    config = plan.config
    return (
        f"{many}; {config.sampler.name} proposes, {config.pruner.name} prunes, race {config.racing.name}, "
        f"seeds {', '.join(map(str, config.seeds))}"
    )


def _proposals_table(plan: Plan) -> Table:
    table = _table("the first proposals, before any score is known")
    table.add_column("searched", overflow="fold")
    for number in range(len(plan.proposals)):
        table.add_column(f"no. {number}", overflow="fold")
    for path in plan.config.search:
        table.add_row(
            path, *(in_yaml(values[path], path) if path in values else "-" for values in plan.proposals)
        )
    return table


def _cost_table(plan: Plan) -> Table:
    table = _table(f"means over simulated studies on {counted(plan.workers, 'worker')}; {plan.note}")
    table.add_column("what it costs", overflow="fold")
    for title in VARIANTS.values():
        table.add_column(title, justify="right", overflow="fold")
    device = "GPU hours" if plan.config.resources.gpu else "worker hours"
    lines: list[tuple[str, Callable[[Cost], str]]] = [
        ("configurations", lambda cost: f"{cost.configurations:.0f}"),
        ("units: a seed each", lambda cost: f"{cost.units:.0f}"),
        ("epochs", lambda cost: f"{cost.epochs:.0f}"),
        ("time", lambda cost: _known(cost.hours, _time)),
        (device, lambda cost: _known(cost.device_hours, lambda hours: f"{hours:.2f}")),
        (
            "disk of the study, at most",
            lambda cost: _known(cost.study_bytes, lambda found: size(round(found))),
        ),
    ]
    if plan.price is not None:
        lines.append((f"money, at {plan.price:g} an hour", lambda cost: _known(cost.money, "{:.2f}".format)))
    for title, write in lines:
        table.add_row(title, *(write(getattr(plan, name)) for name in VARIANTS))
    return table


def _time(hours: float) -> str:
    return duration(3600 * hours)


def _known(value: float | None, write: Callable[[float], str]) -> str:
    return "not known" if value is None else write(value)


def _lines(plan: Plan) -> list[str]:
    lines: list[str] = []
    data, steps = plan.data, plan.steps
    if data is not None and plan.feature_bytes is not None:
        lines.append(
            f"data: {counted(data.cycles, 'training cycle')} of {counted(data.patients, 'patient')}, of which a unit "
            f"trains on about {data.trained}; it is scored on {data.scored}"
        )
        lines.append(
            f"features: {size(plan.feature_bytes)} in this machine's cache, where {size(plan.free_bytes)} are free"
        )
    if steps is not None:
        where = "a GPU" if steps.device == "cuda" else f"the CPU, {counted(steps.threads, 'thread')}"
        where += f" that {steps.units} units share" if steps.units > 1 else ""
        lines.append(
            f"timed here on {where}, with no. 0: a step {_seconds(steps.step_seconds)}, scoring a cycle "
            f"{_seconds(steps.cycle_seconds)}, a checkpoint of {size(steps.checkpoint_bytes)} "
            f"{_seconds(steps.checkpoint_seconds)}"
        )
    if plan.cost.hours is None:
        lines.append("time: not known without a probe, or the seconds of an epoch (--epoch-seconds)")
    if plan.further_units:
        more = "" if plan.further_hours is None else f", {_time(plan.further_hours)} more"
        lines.append(
            f"then the finalists on the other folds of patients: at most {plan.further_units} units{more}"
        )
    return [*lines, *(f"warning: {line}" for line in plan.warnings)]


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def _table(caption: str) -> Table:
    return Table(header_style="bold", caption=caption, caption_justify="left")
