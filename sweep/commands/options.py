"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

STUDIES = "studies"
"""Default of `--studies`."""

StudiesOption = Annotated[
    str,
    typer.Option(
        "--studies", help="Folder that holds the studies, or a place on an object store: s3://bucket/lab."
    ),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="FIELD=VALUE of the study file, e.g. budget.gpu_hours=8. Repeatable."),
]
