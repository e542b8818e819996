"""`respsweep leaderboard`."""

from __future__ import annotations

import warnings
from typing import Annotated

import typer

from sweep.commands.console import console, say
from sweep.commands.options import STUDIES, FormatOption, NameArgument, StudiesOption


def leaderboard(
    name: NameArgument,
    form: FormatOption = "table",
    columns: Annotated[
        str | None,
        typer.Option(
            help="Only these, in this order, e.g. score,τ,state; also any-abnormal score, epochs trained, P(best)."
        ),
    ] = None,
    sort: Annotated[
        str | None, typer.Option(help="By this column, best first; --sort=-FIELD the other way round.")
    ] = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Show a study's configurations, best first."""
    from sweep.evaluation.cross_fold_ranking import read_ranking
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.board_in_words import failures
    from sweep.report.cross_fold_table import cross_fold_table
    from sweep.report.leaderboard import leaderboard as leaderboard_table
    from sweep.report.special_points import special_points
    from sweep.report.table_formats import as_data, as_latex, as_markdown

    folder = StudyFolder.open(studies, name)
    config, board = folder.config(), folder.board()
    marks = special_points(config, board)
    chosen = None if columns is None else [name for name in columns.split(",") if name.strip()]
    table = leaderboard_table(
        board,
        config.scored_task,
        objectives=config.objectives,
        held_out=config.holds_out,
        label=config.label,
        population=config.scored_population,
        columns=chosen,
        sort=sort,
        marks=marks,
    )
    if form == "table":
        console().print(table, *failures(board), sep="\n")
        searched = folder if config.crosses is None else StudyFolder.open(studies, config.crosses.study)
        if (ranking := read_ranking(searched)) is not None:
            console().print(cross_fold_table(ranking.numbers, ranking.objective, ranking.searched_fold))
    elif form in ("json", "csv"):
        from sweep.report.frames import leaderboard_frame

        say(as_data(leaderboard_frame(board, config.objectives, marks, chosen, sort), form).rstrip("\n"))
    else:
        say(as_markdown(table) if form == "markdown" else as_latex(table))
    if (warning := folder.journal_warning()) is not None:
        warnings.warn(warning, stacklevel=2)
