"""A study as a table: configurations with all their seeds, the best first, then the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from data.population import Population
from data.quantities import counted
from data.task import Task
from evidence.comparison import Comparison
from evidence.objectives import TITLES
from sweep.report.chosen_columns import BoardColumn, chosen_columns, sorted_rows
from sweep.report.fitting_table import FittingTable
from sweep.report.leaderboard_columns import board_columns
from sweep.report.scored_on import what_scores_are_of
from sweep.report.special_points import WHAT_THEY_ARE
from sweep.report.winner import what_to_expect
from sweep.study.board import Board
from sweep.study.comparison import comparison_of
from sweep.study.units import Configuration, State


def leaderboard(
    board: Board,
    task: Task,
    *,
    rows: int | None = None,
    objectives: tuple[str, ...] = ("score",),
    held_out: bool = True,
    label: str | None = None,
    population: Population = "all",
    columns: Sequence[str] | None = None,
    sort: str | None = None,
    marks: Mapping[int, tuple[str, ...]] | None = None,
) -> FittingTable:
    """Make a table of the best `rows` configurations (None: all); rates in percent, mean ± sd over seeds.

    What the study ranks by comes first of the rates, and beside it the score, sensitivity and specificity. Rates of one
    that has finished no seed are those of its last epoch, in brackets. Beside the rank, = marks those with all their
    seeds that are tied with the best. With two objectives those on their Pareto front are marked, and so are those in
    `marks` (`sweep.report.special_points`). `held_out`: whether the scores are of patients that were held out;
    otherwise of those that were trained on. `label`: what is said of the study wherever it is shown
    (`sweep.config.study_config.StudyConfig.label`); of scores that are neither it stands in the place of what they are
    of. `population`: whose cycles alone are scored (`folds.population`).

    Searched fields are called as in `sweep.report.field_names`. Where the columns do not fit, the values stand in a line
    of their own below each configuration. `columns` and `sort`: names of columns, as shown or as fields; ConfigError is
    raised for others (`sweep.report.chosen_columns`).
    """
    compared = comparison_of(board)
    known = board_columns(board, objectives, marks or {})
    chosen = chosen_columns(known, columns)
    table = FittingTable(
        title=None,
        header_style="bold",
        caption=_caption(board, task, compared, held_out, label, population, marks or {}),
        caption_justify="left",
    )
    for column in chosen:
        table.add_column(column.heading, justify="right" if column.right else "left", no_wrap=True)
    for row in sorted_rows(best_first(board), known, sort)[:rows]:
        table.add_row(*(column.cell(row) for column in chosen))
    table.narrow = lambda width: _narrow(table, chosen, width)
    return table


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


def _narrow(table: FittingTable, columns: Sequence[BoardColumn], width: int) -> RenderableType:
    """Write each row of a leaderboard as a line with rank and rates, and the searched values below it."""
    rows = [list(row) for row in zip(*(map(str, column.cells) for column in table.columns), strict=True)]
    caption = Text(str(table.caption), style="dim italic")
    if not rows:
        return caption
    short = {"sensitivity %": "SE %", "specificity %": "SP %"}
    headings = [short.get(column.heading, column.heading) for column in columns]
    widths = [max(len(heading), *(len(row[at]) for row in rows)) for at, heading in enumerate(headings)]
    # Rank, number, rates, seeds and state; where these do not fit either, sensitivity and specificity go below.
    shown = [at for at, column in enumerate(columns) if not column.below]
    if sum(widths[at] + 2 for at in shown) > width:
        shown = [at for at in shown if headings[at] not in short.values()]
    while len(shown) > 1 and sum(widths[at] + 2 for at in shown) > width + 2:
        shown.pop()
    below = [at for at in range(len(headings)) if at not in shown]
    indent = min(sum(widths[at] + 2 for at in shown[:2]), width // 4)
    parts: list[RenderableType] = []
    for row in [headings, *rows]:
        cells = (
            row[at].rjust(widths[at]) if columns[at].right else row[at].ljust(widths[at]) for at in shown
        )
        parts.append(Text("  ".join(cells).rstrip(), style="bold" if row is headings else ""))
        values = ", ".join(f"{headings[at]} {row[at]}" for at in below if row[at])
        if row is not headings and values:
            parts.append(Padding(Text(values, style="dim"), (0, 0, 0, indent)))
    return Group(*parts, caption)


def _so_far(configuration: Configuration, metric: str) -> float:
    summary = configuration.summary(metric)
    if summary is not None:
        return summary.mean
    scores = [report[metric] for unit in configuration.units.values() for report in unit.curve]
    return max(scores, default=-1.0) - 1


def _caption(
    board: Board,
    task: Task,
    compared: Comparison | None,
    held_out: bool,
    label: str | None,
    population: Population,
    marks: Mapping[int, tuple[str, ...]],
) -> str:
    ended = board.ended
    dropped = sum(configuration.dropped is not None for configuration in board.configurations)
    open_units = len(board.running) + len(board.waiting)
    return (
        f"{counted(len(board.configurations), 'configuration')}, {dropped} dropped in the race over the seeds; "
        f"units: {ended[State.FINISHED]} finished, {ended[State.PRUNED]} pruned, {ended[State.FAILED]} failed"
        + (f", {open_units} under way" if open_units else "")
        + f". Task {task.name}; scores: {what_scores_are_of(held_out, label, population)}, where always answering "
        f"normal scores {100 * task.always_normal_score:.0f} %"
        + ("." if label and not held_out else "; the test part has no share in them.")
        + _ranked_by(board)
        + ("" if compared is None or not held_out else _about_the_best(compared))
        + _in_brackets(board)
        + "".join(f" {WHAT_THEY_ARE[mark]}." for mark in dict.fromkeys(sum(marks.values(), ())))
        + (f" Note: {label}." if label and held_out else "")
    )


def _in_brackets(board: Board) -> str:
    """Say what rates in brackets are, where there are any."""
    unfinished = any(
        one.summary(board.metric) is None and any(unit.curve for unit in one.units.values())
        for one in board.configurations
    )
    return " In brackets: the last epoch of a seed that has not finished." if unfinished else ""


def _ranked_by(board: Board) -> str:
    if not board.competes:
        return " Each row is a finalist on the fold that it names; they are ranked on all folds together."
    return "" if board.objective == "score" else f" Pruned, raced and ranked by the {TITLES[board.metric]}."


def _about_the_best(compared: Comparison) -> str:
    tied = sum(map(compared.is_tied, range(compared.chosen_among)))
    told = (
        f" = is tied: not told from no. {compared.best} at 5 % ({counted(tied, 'configuration')} with all seeds)."
        if tied
        else ""
    )
    return f" {what_to_expect(compared, compared.best)}{told}"
