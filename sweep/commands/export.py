"""`respsweep export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.console import say
from sweep.commands.options import STUDIES, StudiesOption


def export(
    name: str,
    output: Annotated[
        Path | None, typer.Option(help="File to write; default: best.yaml in the study.")
    ] = None,
    configuration: Annotated[
        int | None, typer.Option(min=0, help="A configuration other than the best, by its number.")
    ] = None,
    curves: Annotated[
        Path | None,
        typer.Option(help="Write the study's learning curves to this file instead, for simulate --curves."),
    ] = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Write a study's best configuration as a recipe with its provenance, or its learning curves."""
    from data.settings import ConfigError
    from sweep.driver.export import export as write_best
    from sweep.folder.study_folder import StudyFolder

    if curves is not None:
        if output is not None or configuration is not None:
            raise ConfigError(
                "--curves writes the curves of all configurations, and no recipe; leave out --output and "
                "--configuration, or export twice"
            )
        # Brings Optuna, which a recipe does not need.
        from sweep.simulation.curves_file import export_curves

        say(str(export_curves(StudyFolder.open(studies, name), curves)))
        return
    say(str(write_best(StudyFolder.open(studies, name), output, configuration)))
