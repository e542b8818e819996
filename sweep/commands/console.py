"""Where commands print."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import RenderableType

from sweep.commands.options import Form
from sweep.driver.display import console
from sweep.report.plain_console import PlainConsole


def say(text: str) -> None:
    """Print a text to the letter: without colours, and without breaking its lines."""
    console().print(text, highlight=False, soft_wrap=True)


def show_in(
    form: Form,
    parts: Iterable[RenderableType],
    data: Callable[[], Any],
    rows: Callable[[], Sequence[Mapping[str, Any]]],
) -> None:
    """Print a result in a form: `parts` for people and papers, `data` as JSON, `rows` as CSV."""
    from sweep.report.table_formats import as_csv, as_json, as_prose

    if form == "json":
        say(as_json(data()))
    elif form == "csv":
        say(as_csv(rows()))
    elif form == "table":
        console().print(*parts, sep="\n", highlight=False)
    else:
        say(as_prose(parts, form))


def say_aside(text: str, on: PlainConsole | None = None) -> None:
    """Print a text to the letter on stderr, or `on` a console: what is no part of a command's output."""
    (on or PlainConsole(stderr=True)).print(text, highlight=False, soft_wrap=True)
