"""`respsweep doctor`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.console import console, show_in
from sweep.commands.options import STUDIES, Form, FormatOption, StudiesOption, TaskOption


def doctor(
    pack: Annotated[
        Path | None,
        typer.Option(
            "--pack", help="Recipe or study file: measure how many units of it train best at a time."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="With --pack: train on these recordings, not on noise.")
    ] = None,
    task: TaskOption = None,
    form: FormatOption = "table",
    studies: StudiesOption = STUDIES,
) -> None:
    """Say what works on this machine; exit status 1 if something that is needed does not."""
    from data.settings import ConfigError

    if pack is not None:
        _measure_sharing(pack, data, task, form)
        return
    if data is not None or task is not None:
        raise ConfigError("--data and --task are what --pack trains on; give --pack RECIPE too")
    from sweep.machine.doctor import examine
    from sweep.report.doctor_table import doctor_table

    with console(stderr=form != "table").status("trying devices, scan engines and folders; up to a minute"):
        checks = examine(studies)
    rows = [asdict(check) for check in checks]
    show_in(form, [doctor_table(checks)], lambda: rows, lambda: rows)
    if any(check.broken for check in checks):
        raise typer.Exit(1)


def _measure_sharing(recipe: Path, data: Path | None, task: str | None, form: Form) -> None:
    from sweep.machine.gpu_sharing_processes import measure_sharing
    from sweep.report.gpu_sharing_table import gpu_sharing_table

    with console(stderr=form != "table").status(f"training {recipe}; each row takes a minute or more"):
        sharing = measure_sharing(recipe, data, task)
    told = asdict(sharing)
    show_in(form, [gpu_sharing_table(sharing)], lambda: told, lambda: told["measurements"])
