"""`respsweep schema`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from sweep.commands.console import say


def schema(
    of: Annotated[Literal["study", "recipe"], typer.Argument(help="Which kind of file.")],
) -> None:
    """Print the JSON Schema of study files or recipes, with which editors complete and check them."""
    from sweep.config.file_schemas import recipe_schema, schema_text, study_schema

    say(schema_text(study_schema() if of == "study" else recipe_schema()))
