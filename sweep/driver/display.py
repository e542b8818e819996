"""What a person sees of a study while it runs: on a console, or nothing."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TYPE_CHECKING, Any, Literal, Protocol

from rich.console import Console, RenderableType
from rich.live import Live

from sweep.report.plain_console import PlainConsole

if TYPE_CHECKING:
    from sweep.study.events import Event

log = logging.getLogger(__name__)


class Display(Protocol):
    """Shows a running study to a person."""

    def say(self, line: str) -> None:
        """Show a line, as it is."""
        ...

    def warn(self, line: str) -> None:
        """Show a line about something that went wrong and does not stop the study."""
        ...

    def show(self, *parts: RenderableType) -> None:
        """Show tables and texts, one below the other."""
        ...

    def hear(self, event: Event) -> None:
        """Take note of an event of the study, as it happens."""
        ...

    def live(self) -> Live | None:
        """Return a table that redraws itself; None where output is a plain log."""
        ...


def console(*, stderr: bool = False) -> PlainConsole:
    """Make a console as wide as the terminal, on `stderr` for what is no part of a command's output.

    Where output goes to a file or another program, 160 columns, and tables without lines around them.
    """
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return PlainConsole(width=None if terminal else 160, boxes=terminal, stderr=stderr)


def display_of(output: Console, errors: Console, *, quiet: bool, log: Literal["lines", "json"]) -> Display:
    """Choose what shows a study: all on `output`; warnings on `errors` alone (`quiet`); events as JSON (`log`)."""
    if log == "json":
        return JsonDisplay(output)
    return QuietDisplay(errors) if quiet else ConsoleDisplay(output)


class ConsoleDisplay:
    """Shows a study on a rich console, with a live table if that is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def warn(self, line: str) -> None:
        self.say(f"warning: {line}")

    def show(self, *parts: RenderableType) -> None:
        self._console.print(*parts, sep="\n", markup=False)

    def hear(self, event: Event) -> None: ...

    def live(self) -> Live | None:
        return Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None


class QuietDisplay:
    """Shows warnings alone, on a console for them."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, line: str) -> None: ...

    def warn(self, line: str) -> None:
        self._console.print(f"warning: {line}", markup=False, highlight=False, soft_wrap=True)

    def show(self, *parts: RenderableType) -> None: ...

    def hear(self, event: Event) -> None: ...

    def live(self) -> Live | None:
        return None


class JsonDisplay(QuietDisplay):
    """Writes a line of JSON for each event of the study, as its journal holds them, and for each warning."""

    def warn(self, line: str) -> None:
        self._write({"event": "Warning", "line": line, "at": time.time()})

    def hear(self, event: Event) -> None:
        # It brings NumPy, and every command has a display.
        from sweep.study.journal import told

        self._write(told(event))

    def _write(self, content: dict[str, Any]) -> None:
        self._console.file.write(json.dumps(content, allow_nan=False) + "\n")
        self._console.file.flush()


class NoDisplay:
    """Shows nothing; warnings go to Python's logging."""

    def say(self, line: str) -> None: ...

    def warn(self, line: str) -> None:
        log.warning("%s", line)

    def show(self, *parts: RenderableType) -> None: ...

    def hear(self, event: Event) -> None: ...

    def live(self) -> Live | None:
        return None
