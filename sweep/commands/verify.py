"""`respsweep verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    bundle: Annotated[Path, typer.Argument(help="Bundle of a study or of a reading of the test part.")],
) -> None:
    """Compute every number of a bundle again from its predictions, without audio, GPU or torch."""
    from evidence.verify import main

    raise typer.Exit(main([str(bundle)]))
