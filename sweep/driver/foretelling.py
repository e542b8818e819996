"""How long a study will still take, told while it runs: found in a thread of its own, now and then."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from sweep.config.study_config import ENUMERATED, StudyConfig
from sweep.simulation.time_left import TimeLeft, time_left, workers_of
from sweep.study.board import Board
from sweep.study.events import Event

log = logging.getLogger(__name__)

SHARE = 0.02
"""Of the time, at most so much is spent on foretelling."""
LEAST_S = 20.0
"""From one foretelling to the next, at least."""
MOST_UNITS = 5000
"""A study that may come to more units than this, or that no number bounds, is not played on: that might take long."""

Task = Callable[[], None]


class Foretelling:
    """Foretells the end of a study by playing its rest (`sweep.simulation.time_left`). A listener of the study.

    What was foretold last stands until the next time, and runs down with the clock. Nothing is foretold in the first
    moments, which short studies do not outlast.
    """

    def __init__(
        self,
        config: StudyConfig,
        past: Iterable[Event] = (),
        *,
        timer: Callable[[], float] = time.monotonic,
        begin: Callable[[Task], None] | None = None,
    ) -> None:
        """`past`: events before. `timer`: seconds that never jump. `begin`: runs a task; in a thread by default."""
        self._config = config
        self._events = list(past)
        self._timer = timer
        self._begin = begin or _in_a_thread
        self._due = timer() + LEAST_S
        self._under_way = False
        self._found: tuple[float, TimeLeft] | None = None

    def __call__(self, event: Event) -> None:
        self._events.append(event)

    def left(self, now: float) -> TimeLeft | None:
        """Seconds to the end from `now`, in seconds since 1970; None while nothing was foretold.

        Has the next foretelling begin when it is due.
        """
        if not self._under_way and self._timer() >= self._due and self._is_small():
            self._under_way = True
            self._begin(self._foretell)
        if self._found is None:
            return None
        at, found = self._found
        passed = now - at
        return TimeLeft(*(max(0.0, end - passed) for end in (found.seconds, found.low, found.high)))

    def _is_small(self) -> bool:
        config, budget = self._config, self._config.budget
        if budget.configurations is None and budget.units is None:
            # A grid, or a list of points, bounds a study by itself.
            return config.sampler.name in ENUMERATED
        by_configurations = (budget.configurations or MOST_UNITS + 1) * len(config.seeds)
        return min(by_configurations, budget.units or by_configurations) <= MOST_UNITS

    def _foretell(self) -> None:
        began = self._timer()
        try:
            # No event comes between: appending to a list, and copying one, are single steps.
            events = list(self._events)
            found = time_left(self._config, events, workers_of(Board(events=events)))
            self._found = None if found is None else (events[-1].at, found)
        except Exception:
            # Whatever it stumbles over: a study is not disturbed by what is said of its end.
            log.debug("the end could not be foretold", exc_info=True)
            self._found = None
        finally:
            took = self._timer() - began
            self._due = self._timer() + max(LEAST_S, took * (1 / SHARE - 1))
            self._under_way = False


def _in_a_thread(task: Task) -> None:
    threading.Thread(target=task, name="foretelling", daemon=True).start()
