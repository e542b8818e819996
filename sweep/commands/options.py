"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

STUDIES = "studies"
"""Default of `--studies`."""


def study_names(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a study from those in `--studies`, if that is a folder: an object store takes too long."""
    from sweep.folder.local_studies import local_studies

    studies = context.params.get("studies") or STUDIES
    return [name for name in local_studies(studies) if name.startswith(incomplete)]


NAMED = "A study, by its name."
NameArgument = Annotated[str, typer.Argument(help=NAMED, autocompletion=study_names)]
StudiesOption = Annotated[
    str,
    typer.Option(
        "--studies", help="Folder that holds the studies, or a place on an object store: s3://bucket/lab."
    ),
]
DATA_HELP = "Recordings in the layout of ICBHI or SPRSound."
DataOption = Annotated[
    Path | None, typer.Option("--data", help="The study's recordings, if they are not where the study says.")
]
TaskOption = Annotated[
    str | None,
    typer.Option(
        "--task", help="What to tell apart, of recordings with several tasks: icbhi, 1-1, 1-2, 2-1, 2-2."
    ),
]
Form = Literal["table", "json", "csv", "markdown", "latex"]
FormatOption = Annotated[
    Form,
    typer.Option("--format", help="json and csv have every number, unrounded; rates are fractions there."),
]
LogOption = Annotated[
    Literal["lines", "json"],
    typer.Option(
        "--log", help="json: a line of JSON for each event, as in the journal, and for each warning."
    ),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="FIELD=VALUE of the study file, e.g. budget.gpu_hours=8. Repeatable."),
]
SpaceArgument = Annotated[Path | None, typer.Argument(help="Study file, e.g. search_spaces/quickstart.yaml.")]
GivenDataOption = Annotated[str | None, typer.Option("--data", help=DATA_HELP)]
AddressOption = Annotated[
    str,
    typer.Option(
        "--address",
        help="local: this machine; auto: the Ray cluster it belongs to; head: machines that come by themselves, see "
        "cluster worker.",
    ),
]
ConfigurationsOption = Annotated[
    int | None,
    typer.Option("--configurations", min=1, help="Points to try at most; the file's other limits stay."),
]


def changed_settings(
    settings: list[str] | None, data: str | None, task: str | None, configurations: int | None
) -> dict[str, Any]:
    """Collect the settings by dotted field that options put in place of a study file's."""
    from sweep.config.overrides import overrides

    given = {"data": data, "task": task, "budget.configurations": configurations}
    return overrides(settings or []) | {field: value for field, value in given.items() if value is not None}
