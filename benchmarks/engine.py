"""The engine's bars, each printed beside what else is in use, in one run.

    .venv/bin/python benchmarks/engine.py cost               units per second on real Ray, driver time as a study grows
    .venv/bin/python benchmarks/engine.py policies seeds     what racing saves and costs, simulated
    .venv/bin/python benchmarks/engine.py policies sizes     what racing saves by number of configurations and seeds
    .venv/bin/python benchmarks/engine.py policies epochs    what the epoch pruner, and both, save and cost
    .venv/bin/python benchmarks/engine.py policies recorded  the same on the recorded curves in benchmarks/curves
    .venv/bin/python benchmarks/engine.py policies luck      how lucky the winner is, and what is said of it
    .venv/bin/python benchmarks/engine.py budget             how studies end that a budget of hours ends, simulated
    .venv/bin/python benchmarks/engine.py left               how near the foretold end of a study is, on recorded curves
    .venv/bin/python benchmarks/engine.py leaks              memory and file handles while a study grows

Each exits with 1 when a bar is missed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@app.command()
def cost(
    units: Annotated[int, typer.Option(help="Units on real Ray.")] = 300,
    configurations: Annotated[int, typer.Option(help="Size to which a study grows, five seeds each.")] = 2000,
) -> None:
    """Units per second with everything on, beside plain Ray Tune; driver time per report."""
    import engine_cost

    raise typer.Exit(engine_cost.main(units, configurations))


@app.command()
def leaks(units: Annotated[int, typer.Option(help="Units on real Ray, at least 200.")] = 2000) -> None:
    """Memory and file handles of driver, writer and workers, as a study of tiny units grows."""
    import engine_leaks

    raise typer.Exit(engine_leaks.main(units))


@app.command()
def policies(
    table: Annotated[
        Literal["seeds", "sizes", "epochs", "recorded", "luck"],
        typer.Argument(
            help="What stops: seeds, also by size, or epochs too, in made-up worlds; or both on recorded curves. "
            "luck: of the winner, as raced."
        ),
    ],
    curves: Annotated[
        list[Path] | None,
        typer.Option(help="Recorded curves to play; default: all of benchmarks/curves. Repeatable."),
    ] = None,
    repeats: Annotated[int, typer.Option(help="Simulated studies for each cell.")] = 200,
    processes: Annotated[int, typer.Option(help="0: as many as there are cores.")] = 0,
) -> None:
    """Seed runs, epochs and regret of the default rules, beside other policies."""
    import engine_luck
    import engine_policies
    import engine_recorded
    import engine_sizes

    if table == "recorded":
        raise typer.Exit(engine_recorded.main(curves or [], repeats, processes))
    if curves:
        raise typer.BadParameter("--curves goes with the table recorded")
    if table == "luck":
        raise typer.Exit(engine_luck.main(repeats, processes))
    if table == "sizes":
        raise typer.Exit(engine_sizes.main(repeats, processes))
    raise typer.Exit(engine_policies.main(table, repeats, processes))


@app.command()
def left(
    curves: Annotated[
        list[Path] | None,
        typer.Option(help="Recorded curves to play; default: all of benchmarks/curves. Repeatable."),
    ] = None,
    repeats: Annotated[int, typer.Option(help="Simulated studies for each row.")] = 20,
    workers: Annotated[
        list[int] | None, typer.Option(help="Units at a time; default: 1 and 4. Repeatable.")
    ] = None,
) -> None:
    """How near the foretold end of a study is after a third of it, on recorded curves."""
    import engine_time_left

    raise typer.Exit(engine_time_left.main(curves or [], repeats, workers or [1, 4]))


@app.command()
def budget(
    studies: Annotated[int, typer.Option(help="Simulated studies for each row.")] = 400,
    processes: Annotated[int, typer.Option(help="0: as many as there are cores.")] = 0,
) -> None:
    """How many studies end with a winner, and what they leave unspent, when hours end them."""
    import engine_budget

    raise typer.Exit(engine_budget.main(studies, processes))


if __name__ == "__main__":
    app()
