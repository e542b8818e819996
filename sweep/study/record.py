"""The one way in which a running study changes: an event is stamped, the board takes it, and all listeners hear it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from sweep.study.board import Board
from sweep.study.events import Event

Listener = Callable[[Event], None]


class Record:
    """Takes events until it is closed; one at a time, from whatever thread."""

    def __init__(self, board: Board, listeners: Sequence[Listener], clock: Callable[[], float]) -> None:
        """`listeners` hear each event in their order, after the board. `clock` stamps events, in seconds."""
        self._board = board
        self._listeners = listeners
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        self._closed = False

    def __call__(self, event: Event, at: float | None = None) -> None:
        """Take an event that happens now, or happened `at` a time before. Raises RuntimeError after `close`."""
        event = replace(event, at=self._clock() if at is None else at)
        with self._one_at_a_time:
            if self._closed:
                raise RuntimeError(f"the study was let go before {type(event).__name__}")
            self._board.apply(event)
            for listener in self._listeners:
                listener(event)

    def close(self) -> None:
        """Take no event any more: a loop that was left behind in another thread may come back."""
        with self._one_at_a_time:
            self._closed = True
