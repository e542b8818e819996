"""Where commands print."""

from __future__ import annotations

from sweep.driver.display import console
from sweep.report.plain_console import PlainConsole


def say(text: str) -> None:
    """Print a text to the letter: without colours, and without breaking its lines."""
    console().print(text, highlight=False, soft_wrap=True)


def say_aside(text: str, on: PlainConsole | None = None) -> None:
    """Print a text to the letter on stderr, or `on` a console: what is no part of a command's output."""
    (on or PlainConsole(stderr=True)).print(text, highlight=False, soft_wrap=True)
