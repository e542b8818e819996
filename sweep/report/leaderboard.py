"""A study as a table: configurations with all their seeds, the best first, then the others with the reason."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from data.errors import one_line
from data.quantities import counted
from data.task import Task
from evidence.comparison import Comparison
from evidence.objectives import TITLES
from sweep.report.field_names import short_name
from sweep.report.fitting_table import FittingTable
from sweep.report.winner import what_to_expect
from sweep.study.board import Board
from sweep.study.comparison import comparison_of
from sweep.study.units import Configuration, Fate, State

HELD_OUT = "held-out patients of the official training part"
TRAINED_ON = "the cycles that were trained on, as nobody was held out"


def leaderboard(
    board: Board,
    task: Task,
    *,
    rows: int | None = None,
    objectives: tuple[str, ...] = ("score",),
    held_out: bool = True,
    label: str | None = None,
) -> FittingTable:
    """Make a table of the best `rows` configurations (None: all); rates in percent, mean ± sd over seeds.

    What the study ranks by comes first of the rates, and beside it the score, sensitivity and specificity.
    Beside the rank, = marks those that are tied with the best. With two objectives those on their Pareto front are
    marked. `held_out`: whether the scores are of patients that were held out; otherwise of those that were trained on.
    `label`: what is said of the study wherever it is shown (`sweep.config.study_config.StudyConfig.label`); of scores
    that are neither it stands in the place of what they are of.

    Searched fields are called as in `sweep.report.field_names`. Where the columns do not fit, the values stand in a line
    of their own below each configuration.
    """
    compared = comparison_of(board)
    fields = list(
        dict.fromkeys(field for configuration in board.configurations for field in configuration.values)
    )
    names = {field: short_name(field, fields) for field in fields}
    table = FittingTable(
        title=None,
        header_style="bold",
        caption=_caption(board, task, compared, held_out, label),
        caption_justify="left",
    )
    for column in ("rank", "no."):
        table.add_column(column, justify="right", no_wrap=True)
    metrics = list(dict.fromkeys((board.metric, "score", "sensitivity", "specificity")))
    for column in (*(f"{TITLES.get(metric, metric)} %" for metric in metrics), "seeds"):
        table.add_column(column, justify="right", no_wrap=True)
    for field in fields:
        table.add_column(names[field], no_wrap=True)
    table.add_column("state", no_wrap=True)
    front = set(board.scores.front(objectives)) if len(objectives) > 1 else set()
    for rank, configuration in best_first(board)[:rows]:
        table.add_row(
            _rank(rank, tied=compared is not None and compared.is_tied(configuration.number)),
            str(configuration.number),
            *(_percent(configuration, metric) for metric in metrics),
            str(len(configuration.units_in(State.FINISHED))),
            *(
                written(configuration.values[field]) if field in configuration.values else ""
                for field in fields
            ),
            state_of(configuration, board) + (", Pareto front" if configuration.number in front else ""),
        )
    table.narrow = lambda width: _narrow(table, len(metrics), width)
    return table


def _narrow(table: FittingTable, metrics: int, width: int) -> RenderableType:
    """Write each row of a leaderboard as a line with rank and rates, and the searched values below it."""
    headings = [str(column.header) for column in table.columns]
    rows = [list(row) for row in zip(*(map(str, column.cells) for column in table.columns), strict=True)]
    first_value = 3 + metrics
    # Rank, number, rates and seeds; where these do not fit either, sensitivity and specificity go below.
    shown = [*range(first_value), len(headings) - 1]
    short = {"sensitivity %": "SE %", "specificity %": "SP %"}
    headings = [short.get(heading, heading) for heading in headings]
    widths = (
        [max(len(heading), *(len(row[at]) for row in rows)) for at, heading in enumerate(headings)]
        if rows
        else []
    )
    if rows and sum(widths[at] + 2 for at in shown) > width:
        shown = [at for at in shown if headings[at] not in short.values()]
    below = [at for at in range(len(headings)) if at not in shown]
    parts: list[RenderableType] = []
    for row in [headings, *rows] if rows else []:
        cells = (row[at].rjust(widths[at]) if at < first_value else row[at] for at in shown)
        parts.append(Text("  ".join(cells).rstrip(), style="bold" if row is headings else ""))
        values = ", ".join(f"{headings[at]} {row[at]}" for at in below if row[at])
        if row is not headings and values:
            parts.append(
                Padding(Text(values, style="dim"), (0, 0, 0, min(widths[0] + widths[1] + 4, width // 4)))
            )
    return Group(*parts, Text(str(table.caption), style="dim italic"))


def best_first(board: Board) -> list[tuple[int | None, Configuration]]:
    """Rank (from 1) and configuration: those with all their seeds, the best first; then the others, without a rank.

    Without any rank where configurations do not compete (`Board.competes`).
    """
    ranking = board.ranking() if board.competes else []
    ranked = {configuration.number for configuration in ranking}
    rest = sorted(
        (configuration for configuration in board.configurations if configuration.number not in ranked),
        key=lambda configuration: -_so_far(configuration, board.metric),
    )
    return [*enumerate(ranking, start=1), *((None, configuration) for configuration in rest)]


def state_of(configuration: Configuration, board: Board) -> str:
    """Say in a word or two how a configuration stands: `complete`, `running`, `pruned, epoch 3`."""
    fate = configuration.fate(board.seeds)
    for unit in configuration.units.values():
        if unit.state is State.PRUNED:
            return f"pruned, epoch {len(unit.curve)}"
        if unit.state is State.FAILED:
            return f"failed, seed {unit.seed}"
    if fate is not Fate.OPEN:
        return str(fate)
    return "running" if configuration.units_in(State.RUNNING) else "open"


def written(value: Any) -> str:
    """Write a searched value as people do."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | list):
        return "+".join(written(item) for item in value) or "none"
    return "none" if value is None else one_line(str(value))


def _rank(rank: int | None, *, tied: bool) -> str:
    return ("" if rank is None else str(rank)) + ("=" if tied else "")


def _so_far(configuration: Configuration, metric: str) -> float:
    summary = configuration.summary(metric)
    if summary is not None:
        return summary.mean
    scores = [report[metric] for unit in configuration.units.values() for report in unit.curve]
    return max(scores, default=-1.0) - 1


def _percent(configuration: Configuration, metric: str) -> str:
    summary = configuration.summary(metric)
    if summary is None:
        return ""
    return f"{100 * summary.mean:.1f}" + ("" if summary.sd is None else f" ± {100 * summary.sd:.1f}")


def failures(board: Board) -> list[str]:
    """Say for each failed unit which it is, and the first line of the reason."""
    return [
        f"{unit.id} failed: {reason}"
        for unit in board.units()
        for reason, _, _ in [(unit.reason or "").partition("\n")]
        if unit.state is State.FAILED
    ]


def why_no_best(board: Board) -> str:
    """Say why no configuration is the best: how far the study is, how its units ended, and which failed first."""
    seeds = len(board.seeds)
    parts = [f"no configuration has finished all {seeds} seeds, so there is no best one"]
    if not board.drivers:
        parts.append("the study has not begun")
    elif board.stopped != "over":
        stand = "is not over" if board.stopped is None else f"was stopped ({board.stopped})"
        done = max((len(each.units_in(State.FINISHED)) for each in board.configurations), default=0)
        parts.append(f"the study {stand}: the furthest configuration has {done} of {seeds}")
    else:
        counts = ", ".join(f"{count} {state}" for state, count in sorted(board.ended.items()))
        parts.append(f"units: {counts or 'none'}")
    return "; ".join([*parts, *failures(board)[:1]])


def _caption(board: Board, task: Task, compared: Comparison | None, held_out: bool, label: str | None) -> str:
    ended = board.ended
    dropped = sum(configuration.dropped is not None for configuration in board.configurations)
    open_units = len(board.running) + len(board.waiting)
    return (
        f"{counted(len(board.configurations), 'configuration')}, {dropped} dropped in the race over the seeds; "
        f"units: {ended[State.FINISHED]} finished, {ended[State.PRUNED]} pruned, {ended[State.FAILED]} failed"
        + (f", {open_units} under way" if open_units else "")
        + f". Task {task.name}; scores: {what_scores_are_of(held_out, label)}, where always answering normal scores "
        f"{100 * task.always_normal_score:.0f} %"
        + ("." if label and not held_out else "; the test part has no share in them.")
        + _ranked_by(board)
        + ("" if compared is None or not held_out else _about_the_best(compared))
        + (f" Note: {label}." if label and held_out else "")
    )


def what_scores_are_of(held_out: bool, label: str | None) -> str:
    """Say of which cycles the scores of a study are, with its `label` if it is scored on neither of the usual ones."""
    return HELD_OUT if held_out else label or TRAINED_ON


def _ranked_by(board: Board) -> str:
    if not board.competes:
        return " Each row is a finalist on the fold that it names; they are ranked on all folds together."
    return "" if board.objective == "score" else f" Pruned, raced and ranked by the {TITLES[board.metric]}."


def _about_the_best(compared: Comparison) -> str:
    tied = sum(map(compared.is_tied, range(compared.chosen_among)))
    told = (
        f" = is tied: not told from no. {compared.best} at 5 % ({counted(tied, 'configuration')})."
        if tied
        else ""
    )
    return f" {what_to_expect(compared, compared.best)}{told}"
