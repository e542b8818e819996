"""The seconds in which units of a halted study save themselves where they are, before their workers are ended."""

from __future__ import annotations

import time
from collections.abc import Callable

from sweep.study.coordinator import Coordinator
from sweep.worker.leave_notice import have_units_pause

LONGEST_S = 20.0
"""So long units are waited for: they hear of a pause within two seconds, and leave after the batch that they are at."""


class Pause:
    """Tells when the workers of a halted study may be ended."""

    def __init__(
        self,
        coordinator: Coordinator,
        at_work: Callable[[], int],
        give_notice: Callable[[], None] = have_units_pause,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`at_work` counts the units that have something to save; `give_notice` asks them to."""
        self._coordinator = coordinator
        self._at_work = at_work
        self._give_notice = give_notice
        self._clock = clock
        self._began: float | None = None

    def over(self) -> bool:
        """Tell whether the study is halted, and no unit is waited for any more. To be asked often.

        Units are given notice the first time that it is halted; where it is to end at once, none are waited for.
        """
        if self._coordinator.halted is None:
            return False
        if self._coordinator.at_once or not self._at_work():
            return True
        if self._began is None:
            self._began = self._clock()
            self._give_notice()
        return self._clock() - self._began >= LONGEST_S
