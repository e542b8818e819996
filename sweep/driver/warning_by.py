"""Warnings of ours, told to the person who asked for something instead of printed with the place in the source."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def warning_by(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell the text of each UserWarning that comes up in the block to `tell`; other categories are shown as ever.

    Filters (`warnings.filterwarnings`) decide first, as outside the block.
    """
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if category is UserWarning:
            tell(str(message))
        else:
            shown(message, category, *place, **more)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
