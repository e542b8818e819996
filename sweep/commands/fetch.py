"""`respsweep fetch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.console import say


def fetch(
    space: Annotated[Path, typer.Argument(help="Study file, e.g. search_spaces/lung_srad.yaml.")],
) -> None:
    """Get the pretrained weights that a study names, on a machine with a network, for others that have none.

    A hub id is fetched into the hub's cache (HF_HOME), which other machines must see; a file is only looked at.
    """
    from model.weights_file import checkpoint_sha256, find_checkpoint
    from sweep.config.study_config import read_study

    named = read_study(space).named_weights
    if not named:
        say(f"{space}: names no pretrained weights; there is nothing to fetch")
    for source in named:
        path = find_checkpoint(source)
        say(f"{source}: {path}, SHA-256 {checkpoint_sha256(path)}")
