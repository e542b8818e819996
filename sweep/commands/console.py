"""Where commands print."""

from __future__ import annotations

import sys

from rich.console import Console


def console() -> Console:
    """Make a console as wide as the terminal; 160 columns where output goes to a file or another program."""
    return Console(width=None if sys.stdout.isatty() else 160)


def say(text: str) -> None:
    """Print a text to the letter: without markup or colours, and without breaking its lines."""
    console().print(text, markup=False, highlight=False, soft_wrap=True)
