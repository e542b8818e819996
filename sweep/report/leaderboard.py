"""A study as a table: configurations with all their seeds, the best first, then the others with the reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from data.errors import one_line
from data.population import Population, as_population, in_words
from data.population import written as population_written
from data.quantities import counted
from data.task import Task
from evidence.comparison import Comparison
from evidence.objectives import TITLES
from sweep.config.search_space import POPULATION
from sweep.report.field_names import short_name
from sweep.report.fitting_table import FittingTable
from sweep.report.leaderboard_columns import BoardColumn, Row, chosen_columns, sorted_rows
from sweep.report.special_points import WHAT_THEY_ARE
from sweep.report.winner import what_to_expect
from sweep.study.board import Board, last_epoch_metrics, shown_metrics
from sweep.study.comparison import comparison_of
from sweep.study.units import Configuration, Fate, State

HELD_OUT = "held-out patients of the official training part"
EPOCHS = "epochs_trained", "epochs"
"""A searched field `epochs` comes first."""
NUMBER, CHANCE = ("configuration",), ("probability_best",)
TRAINED_ON = "the cycles that were trained on, as nobody was held out"


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
    raised for others (`sweep.report.leaderboard_columns`).
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


def board_columns(
    board: Board, objectives: tuple[str, ...] = ("score",), marks: Mapping[int, tuple[str, ...]] | None = None
) -> list[BoardColumn]:
    """List the columns that a leaderboard may have; the last ones are shown only when they are named.

    There is a column for the sharpness of last weights where units have reported it; the flattest come first by it.
    """
    compared = comparison_of(board)
    fields = list(dict.fromkeys(field for one in board.configurations for field in one.values))
    metrics = list(dict.fromkeys((board.metric, "score", "sensitivity", "specificity")))
    front = set(board.scores.front(objectives)) if len(objectives) > 1 else set()

    def rank(row: Row) -> str:
        tied = compared is not None and compared.is_tied(row[1].number)
        return ("" if row[0] is None else str(row[0])) + ("=" if tied else "")

    def state(row: Row) -> str:
        number = row[1].number
        aside = [*(["Pareto front"] if number in front else []), *(marks or {}).get(number, ())]
        return ", ".join([state_of(row[1], board), *aside])

    def chance(row: Row) -> float | None:
        found = math.nan if compared is None else float(compared.probability_best[row[1].number])
        return None if math.isnan(found) else found

    def probability(row: Row) -> str:
        return "" if (found := chance(row)) is None else f"{100 * found:.0f}"

    def epochs(row: Row) -> int:
        return sum(len(unit.curve) for unit in row[1].units.values())

    def finished(row: Row) -> int:
        return len(row[1].units_in(State.FINISHED))

    return [
        BoardColumn("rank", (), rank, lambda row: row[0], ("rank", "tied")),
        BoardColumn("no.", NUMBER, lambda row: str(row[1].number), lambda row: row[1].number, NUMBER),
        *(_rate_column(metric) for metric in metrics),
        BoardColumn("seeds", (), lambda row: str(finished(row)), finished, ("seeds",), falls=True),
        *(_field_column(field, fields) for field in fields),
        *(_plain_column(metric) for metric in last_epoch_metrics(board)),
        BoardColumn("state", (), state, state, ("state", "point"), right=False),
        *(_rate_column(metric, asked=True) for metric in shown_metrics(board) if metric not in metrics),
        BoardColumn(
            "epochs trained", EPOCHS, lambda row: str(epochs(row)), epochs, EPOCHS[:1], asked=True, falls=True
        ),
        BoardColumn("P(best) %", CHANCE, probability, chance, CHANCE, asked=True, falls=True),
    ]


def _rate_column(metric: str, *, asked: bool = False) -> BoardColumn:
    return BoardColumn(
        f"{TITLES.get(metric, metric)} %",
        (metric,),
        lambda row: _percent(row[1], metric),
        lambda row: None if (found := row[1].summary(metric)) is None else found.mean,
        (metric, f"{metric}_sd"),
        falls=True,
        asked=asked,
    )


def _plain_column(metric: str) -> BoardColumn:
    """Make a column of a number that is no rate, mean ± sd over the finished seeds."""

    def cell(row: Row) -> str:
        summary = row[1].summary(metric)
        if summary is None:
            return ""
        return f"{summary.mean:.3g}" + ("" if summary.sd is None else f" ± {summary.sd:.2g}")

    return BoardColumn(
        metric,
        (),
        cell,
        lambda row: None if (found := row[1].summary(metric)) is None else found.mean,
        (metric, f"{metric}_sd"),
    )


def _field_column(field: str, fields: Sequence[str]) -> BoardColumn:
    return BoardColumn(
        short_name(field, fields),
        (field,),
        lambda row: written(row[1].values[field], field) if field in row[1].values else "",
        lambda row: row[1].values.get(field),
        (field,),
        right=False,
        below=True,
    )


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


def written(value: Any, field: str = "") -> str:
    """Write a searched value, of a field, as people do."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | list) and field == POPULATION:
        return population_written(as_population(value))
    if isinstance(value, tuple | list):
        return "+".join(map(_item_written, value)) or "none"
    return "none" if value is None else one_line(str(value))


def _item_written(item: Any) -> str:
    """Write an item of a searched list; one that is a list itself is a range."""
    return "-".join(map(written, item)) if isinstance(item, tuple | list) else written(item)


def _so_far(configuration: Configuration, metric: str) -> float:
    summary = configuration.summary(metric)
    if summary is not None:
        return summary.mean
    scores = [report[metric] for unit in configuration.units.values() for report in unit.curve]
    return max(scores, default=-1.0) - 1


def _percent(configuration: Configuration, metric: str) -> str:
    summary = configuration.summary(metric)
    if summary is None:
        last = [unit.curve[-1].get(metric) for unit in configuration.units.values() if unit.curve]
        return "" if not last or last[-1] is None else f"({100 * last[-1]:.1f})"
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


def what_scores_are_of(held_out: bool, label: str | None, population: Population = "all") -> str:
    """Say of which cycles the scores of a study are, with its `label` if it is scored on neither of the usual ones.

    `population`: whose cycles alone are scored (`folds.population`).
    """
    alone = "" if population == "all" else f", {in_words(population)} alone"
    return f"{HELD_OUT if held_out else label or TRAINED_ON}{alone}"


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
