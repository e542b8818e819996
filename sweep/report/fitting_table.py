"""A table that is drawn in another way where it does not fit the width."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table

_ENDLESS = 100_000


class FittingTable(Table):
    """A table whose cells are never shortened: where its columns do not fit, `narrow(width)` is shown in its place."""

    narrow: Callable[[int], RenderableType] | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the table, or what takes its place at this width."""
        needed = Measurement.get(console, options.update(max_width=_ENDLESS), self).maximum
        if self.narrow is None or needed <= options.max_width:
            yield from super().__rich_console__(console, options)
        else:
            yield self.narrow(options.max_width)
