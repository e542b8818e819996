"""`respsweep cluster drain`."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.commands.console import say


def drain(
    seconds: Annotated[float, typer.Option(min=0, help="When this machine goes away.")] = 120.0,
) -> None:
    """Let the units on this machine save where they are and move to others; nothing new comes to it."""
    from sweep.execution.drain import drain_this_node

    address = drain_this_node(seconds, "asked for by respsweep cluster drain")
    say(f"{address} is drained")
