"""Time that a study is charged for: set clocks and sleeping machines cost nothing."""

from __future__ import annotations

import time
from collections.abc import Callable


class SteadyClock:
    """Seconds since 1970 by this machine's clock when it was made, and from then on as they pass.

    A clock that is set forward or back later, or a laptop that sleeps, changes nothing.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._timer = timer
        self._began = clock() - timer()

    def __call__(self) -> float:
        return self._began + self._timer()
