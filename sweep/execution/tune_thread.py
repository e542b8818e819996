"""The loop of Ray Tune in a thread of its own, which can be left behind: it waits for ever for a Ray that is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait

LOOK_EVERY_S = 0.5
GRACE_S = 10.0
"""So long the loop may take to end by itself."""


class TuneThread:
    """Runs a loop that calls back often, beside a look at what it runs on."""

    def __init__(
        self,
        loop: Callable[[Callable[[], None]], None],
        on_tick: Callable[[], None],
        *,
        look_every_s: float = LOOK_EVERY_S,
        grace_s: float = GRACE_S,
    ) -> None:
        """`loop` is called with what it must call between its steps, which calls `on_tick`."""
        self._loop = loop
        self._on_tick = on_tick
        self._look_every_s = look_every_s
        self._grace_s = grace_s
        self._outcome: Future[None] = Future()
        self._told_to_end = threading.Event()
        self.left_behind = False
        """Whether the loop did not end, and waits for something that may never come."""

    def run(self, trouble: Callable[[], str | None], halt: Callable[[str], None]) -> None:
        """Run the loop to its end, and raise what it raised.

        As soon as `trouble` has something to say, `halt` hears it, and the loop has `grace_s` seconds to end; so has one
        whose waiting is cut short by KeyboardInterrupt, and its next call back raises. A loop that takes longer is left
        behind.
        """
        threading.Thread(target=self._run, name="ray tune", daemon=True).start()
        try:
            while not self._ended(self._look_every_s):
                if (reason := trouble()) is not None:
                    halt(reason)
                    self.left_behind = not self._ended(self._grace_s)
                    break
        except KeyboardInterrupt:
            self._told_to_end.set()
            self.left_behind = not self._ended(self._grace_s)
            raise
        finally:
            self._told_to_end.set()
        if not self.left_behind:
            self._outcome.result()

    def _run(self) -> None:
        try:
            self._loop(self._tick)
        except BaseException as error:
            self._outcome.set_exception(error)
        else:
            self._outcome.set_result(None)

    def _tick(self) -> None:
        if self._told_to_end.is_set():
            raise KeyboardInterrupt
        self._on_tick()

    def _ended(self, within_s: float) -> bool:
        return bool(wait([self._outcome], within_s).done)
