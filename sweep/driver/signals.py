"""What tells a driver to stop: Ctrl-C, the machine's scheduler, a connection that breaks."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from sweep.driver.display import Display
from sweep.study.coordinator import Coordinator
from sweep.study.events import INTERRUPTED


@contextlib.contextmanager
def halting_on_signals(coordinator: Coordinator, display: Display) -> Iterator[None]:
    """Halt the study on the first signal while the block runs, and raise KeyboardInterrupt on the second."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    told = False

    def heard(number: int, frame: object) -> None:
        nonlocal told
        # A study that its budget has halted already takes no other reason.
        if told or coordinator.interrupted:
            # What is raised within the callback of a weak reference, say, Python prints and forgets.
            coordinator.halt(INTERRUPTED, at_once=True)
            raise KeyboardInterrupt
        told = True
        coordinator.halt(INTERRUPTED)
        display.say("stopping: units save what they have; once more stops at once")

    # SIGUSR1 is what SLURM is asked to send before the time of a job ends.
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]
    # nohup keeps it away.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, heard) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
