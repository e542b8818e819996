"""What tells a driver, or a run, to stop: Ctrl-C, the machine's scheduler, a connection that breaks."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator

from sweep.driver.display import Display
from sweep.study.coordinator import Coordinator
from sweep.study.events import INTERRUPTED


class Halting:
    """Halts a study on the first signal, and on the second ends it at once: waits end in KeyboardInterrupt."""

    def __init__(self, coordinator: Coordinator, display: Display) -> None:
        self.at_once = False
        """Whether the study was told to wait for nothing. Python forgets what is raised in a callback of a weak
        reference, say, so that the exception alone is not enough."""
        self.heard = False
        """Whether any signal came, also one that came too late to halt the study, which its budget had halted."""
        self._coordinator = coordinator
        self._display = display
        self._told = False

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Hear signals while the block runs. What one raises where Python can but print it, is not printed."""
        printed = sys.unraisablehook

        def forget(unraisable: sys.UnraisableHookArgs) -> None:
            if unraisable.exc_type is not KeyboardInterrupt:
                printed(unraisable)

        sys.unraisablehook = forget
        try:
            with stopping_on_signals(self._hear):
                yield
        finally:
            sys.unraisablehook = printed

    def now_closing(self) -> None:
        """Take the next signal for the second: units have saved what they have, and the rest `--resume` does again."""
        self._told = True

    def end(self) -> None:
        """End the study at once."""
        self.at_once = True
        self._coordinator.halt(INTERRUPTED, at_once=True)

    def _hear(self) -> bool:
        self.heard = True
        # A study that its budget has halted already takes no other reason.
        if self._told or self._coordinator.interrupted:
            self.end()
            return False
        self._told = True
        self._coordinator.halt(INTERRUPTED)
        self._display.say("stopping: units save what they have; once more stops at once")
        return True


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
