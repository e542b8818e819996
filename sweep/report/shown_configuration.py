"""One configuration of a study in words: its values, the scores of its seeds, why it stopped, and its recipe."""

from __future__ import annotations

from collections.abc import Iterator

import yaml
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from data.errors import one_line
from evidence.objectives import TITLES
from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder
from sweep.report.field_names import short_name
from sweep.report.leaderboard import best_first
from sweep.report.scored_on import what_scores_are_of
from sweep.report.searched_values import written
from sweep.report.which_configuration import NoConfigurationError
from sweep.report.winner import what_to_expect
from sweep.study.board import Board
from sweep.study.comparison import comparison_of
from sweep.study.units import Configuration, Fate, State, Unit


def shown_configuration(folder: StudyFolder, number: int) -> RenderableType:
    """Show a configuration by its number: rank, searched values, each seed's scores, why it stopped, its whole recipe.

    Raises NoConfigurationError where the study has none of that number.
    """
    config, board = folder.config(), folder.board()
    if number not in range(len(board.configurations)):
        raise NoConfigurationError(
            f"{folder.place}: there is no configuration {number} among its {len(board.configurations)}"
        )
    configuration = board.configurations[number]
    lines = [
        f"configuration {number} of {folder.place}: {_standing(configuration, board)}",
        f"searched: {_values(configuration)}",
        *_scores(configuration, board, config),
    ]
    recipe = config.space.recipe(configuration.values).model_dump(mode="json")
    return Group(
        Text("\n".join(map(one_line, lines))),
        _seeds(configuration, board),
        Text("recipe (as `respsweep train` takes it):"),
        Text(yaml.safe_dump({"recipe": recipe}, sort_keys=False, allow_unicode=True).rstrip()),
    )


def _standing(configuration: Configuration, board: Board) -> str:
    """Say the rank of a configuration, or why it has none."""
    rank = {one.number: rank for rank, one in best_first(board)}[configuration.number]
    compared = comparison_of(board)
    if rank is not None:
        tied = (
            ", tied with the best" if compared is not None and compared.is_tied(configuration.number) else ""
        )
        return f"rank {rank} of {len(board.ranking())} with all seeds{tied}"
    return why_it_stopped(configuration, board)


def why_it_stopped(configuration: Configuration, board: Board) -> str:
    """Say why a configuration trains no further: done, given up, pruned or failed; or that it may still go on."""
    for unit in configuration.units_in(State.PRUNED, State.FAILED):
        return f"{unit.state}, seed {unit.seed}: {(unit.reason or '').partition(chr(10))[0]}"
    if configuration.dropped is not None:
        return f"dropped in the race over the seeds: {configuration.dropped}"
    if configuration.fate(board.seeds) is Fate.COMPLETE:
        return "complete: all seeds were trained to their end"
    going = configuration.units_in(State.RUNNING)
    if going:
        return "running: " + ", ".join(f"seed {unit.seed}, epoch {len(unit.curve)}" for unit in going)
    return "open: may still get further seeds"


def _values(configuration: Configuration) -> str:
    paths = list(configuration.values)
    return ", ".join(
        f"{short_name(path, paths)} {written(value, path)} ({path})"
        for path, value in configuration.values.items()
    )


def _scores(configuration: Configuration, board: Board, config: StudyConfig) -> Iterator[str]:
    summary, compared = configuration.summary(board.metric), comparison_of(board)
    if summary is None:
        yield "no seed has finished"
        return
    interval = summary.interval()
    between = (
        "" if interval is None else f", 95 % over seeds {100 * interval[0]:.1f} to {100 * interval[1]:.1f} %"
    )
    of = what_scores_are_of(config.holds_out, config.label, config.scored_population)
    yield f"{TITLES[board.metric]}: {summary} over {summary.seeds} of {len(board.seeds)} seeds{between}; of {of}"
    if compared is not None and config.holds_out:
        yield what_to_expect(compared, configuration.number)


def _seeds(configuration: Configuration, board: Board) -> Table:
    table = Table(header_style="bold")
    metrics = list(dict.fromkeys((board.metric, "score", "sensitivity", "specificity")))
    table.add_column("seed", justify="right")
    table.add_column("state")
    for column in ("epochs", "epoch", *(f"{TITLES.get(metric, metric)} %" for metric in metrics)):
        table.add_column(column, justify="right")
    table.add_column("why it stopped", overflow="fold")
    for unit in configuration.units.values():
        table.add_row(*_seed(unit, metrics))
    return table


def _seed(unit: Unit, metrics: list[str]) -> Iterator[str]:
    """Write the row of a unit: its rates at the epoch that stands for it, or at its last one, in brackets."""
    told = unit.selected or (unit.curve[-1] if unit.curve else {})
    rates = [f"{100 * told[metric]:.1f}" if metric in told else "" for metric in metrics]
    yield from (str(unit.seed), str(unit.state), str(len(unit.curve)), str(told.get("epoch", "")))
    yield from (rates if unit.selected is not None else [f"({rate})" if rate else "" for rate in rates])
    yield "" if unit.state is State.FINISHED else (unit.reason or "").partition("\n")[0]
