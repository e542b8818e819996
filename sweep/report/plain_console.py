"""A console that shows texts to the letter: what stands in a file neither steers a terminal nor sets colours."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from data.errors import escaped


class PlainConsole(Console):
    """A console of rich's on which texts have no markup and no emoji names, and control characters are escaped.

    A text may have several lines. Colours are those that code gives as styles. Without `boxes` tables are drawn as
    columns of words, which other programs can read.
    """

    def __init__(self, *, boxes: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self._boxes = boxes

    def render_str(self, text: str, **options: Any) -> Text:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Make a text to print, or a cell of a table, of a string."""
        return super().render_str(escaped(text), **{**options, "markup": False, "emoji": False})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Make the parts of lines of whatever can be printed."""
        if isinstance(renderable, Text) and escaped(renderable.plain) != renderable.plain:
            renderable = Text(
                escaped(renderable.plain),
                style=renderable.style,
                justify=renderable.justify,
                overflow=renderable.overflow,
                no_wrap=renderable.no_wrap,
                end=renderable.end,
            )
        if isinstance(renderable, Table) and not self._boxes and renderable.box is not None:
            renderable = copy.copy(renderable)
            renderable.box, renderable.pad_edge = None, False
        return super().render(renderable, options)


def as_text(renderable: RenderableType, width: int = 160) -> str:
    """Draw a table or a text as lines of at most `width` columns, without colours, for a file."""
    text = io.StringIO()
    PlainConsole(file=text, width=width).print(renderable)
    return text.getvalue()
