"""Where commands print."""

from __future__ import annotations

from sweep.driver.display import console


def say(text: str) -> None:
    """Print a text to the letter: without colours, and without breaking its lines."""
    console().print(text, highlight=False, soft_wrap=True)
