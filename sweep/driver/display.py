"""What a person sees of a study while it runs: on a console, or nothing."""

from __future__ import annotations

import logging
import sys
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live

from sweep.report.plain_console import PlainConsole

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

    def live(self) -> Live | None:
        """Return a table that redraws itself; None where output is a plain log."""
        ...


def console(*, stderr: bool = False) -> PlainConsole:
    """Make a console as wide as the terminal, on `stderr` for what is no part of a command's output.

    Where output goes to a file or another program, 160 columns, and tables without lines around them.
    """
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return PlainConsole(width=None if terminal else 160, boxes=terminal, stderr=stderr)


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

    def live(self) -> Live | None:
        return Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None


class NoDisplay:
    """Shows nothing; warnings go to Python's logging."""

    def say(self, line: str) -> None: ...

    def warn(self, line: str) -> None:
        log.warning("%s", line)

    def show(self, *parts: RenderableType) -> None: ...

    def live(self) -> Live | None:
        return None
