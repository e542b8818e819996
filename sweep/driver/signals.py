"""What tells a driver, or a run, to stop: Ctrl-C, the machine's scheduler, a connection that breaks."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from sweep.driver.display import Display
from sweep.study.coordinator import Coordinator
from sweep.study.events import INTERRUPTED


@contextlib.contextmanager
def halting_on_signals(coordinator: Coordinator, display: Display) -> Iterator[None]:
    """Halt the study on the first signal while the block runs, and raise KeyboardInterrupt on the second."""
    told = False

    def halt() -> bool:
        nonlocal told
        # A study that its budget has halted already takes no other reason.
        if told or coordinator.interrupted:
            # What is raised within the callback of a weak reference, say, Python prints and forgets.
            coordinator.halt(INTERRUPTED, at_once=True)
            return False
        told = True
        coordinator.halt(INTERRUPTED)
        display.say("stopping: units save what they have; once more stops at once")
        return True

    with stopping_on_signals(halt):
        yield


@contextlib.contextmanager
def stopping_on_signals(stop: Callable[[], bool]) -> Iterator[None]:
    """Call `stop` on a signal while the block runs; raise KeyboardInterrupt if it answers False, as it was told before.

    Another thread than the main one hears no signals, and leaves them as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def heard(number: int, frame: object) -> None:
        if not stop():
            raise KeyboardInterrupt

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
