"""`respsweep export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.console import say
from sweep.commands.options import STUDIES, DataOption, NameArgument, StudiesOption


def export(
    name: NameArgument,
    output: Annotated[
        Path | None,
        typer.Option(help="File to write; default: best.yaml, or configuration-N.yaml, in the study."),
    ] = None,
    configuration: Annotated[
        int | None, typer.Option(min=0, help="A configuration other than the best, by its number.")
    ] = None,
    curves: Annotated[
        Path | None,
        typer.Option(help="Write the study's learning curves to this file instead, for simulate --curves."),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            help="Write the predictions of finished units to this file instead, for respsweep verify."
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Write weights of all seeds, recipe and model card to this new folder instead, for respsweep predict."
        ),
    ] = None,
    data: DataOption = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Write a study's best configuration as a recipe, or with its weights; its learning curves, or its predictions."""
    from data.settings import ConfigError
    from sweep.driver.export import export as write_best
    from sweep.folder.study_folder import StudyFolder

    if (curves is not None or bundle is not None) and (output is not None or configuration is not None):
        raise ConfigError(
            "--curves and --bundle are of all configurations, and no recipe; leave out --output and "
            "--configuration, or export twice"
        )
    chosen = [option for option in (weights, curves, bundle) if option is not None]
    if len(chosen) > 1 or (weights is not None and output is not None):
        raise ConfigError(
            "--weights, --curves, --bundle and --output: give one of them, and export again for another"
        )
    if weights is not None:
        from sweep.driver.weights_export import export_weights

        folder = export_weights(StudyFolder.open(studies, name), weights, configuration, data)
        say(
            f"{folder}: weights, recipe.yaml and the model card README.md, in which the licence is to be filled in"
        )
        say(f"ask it anywhere: respsweep predict {folder} AUDIO")
        return
    if bundle is not None and (crossing := StudyFolder.open(studies, name)).config().crosses is not None:
        from sweep.evaluation.cross_fold_bundle import export_ranking

        finalists = export_ranking(crossing, bundle)
        say(f"{bundle}: {finalists} finalists on all folds; check it anywhere: respsweep verify {bundle}")
        return
    if bundle is not None:
        from sweep.evaluation.validation_bundle import export_bundle

        units = export_bundle(StudyFolder.open(studies, name), bundle, data)
        say(f"{bundle}: predictions of {units} units; check it anywhere: respsweep verify {bundle}")
        return
    if curves is not None:
        # Brings Optuna, which a recipe does not need.
        from sweep.simulation.curves_file import export_curves

        say(str(export_curves(StudyFolder.open(studies, name), curves)))
        return
    say(str(write_best(StudyFolder.open(studies, name), output, configuration)))
