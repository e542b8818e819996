"""The process that writes to MLflow, as the driver holds it."""

from __future__ import annotations

import contextlib
import multiprocessing
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

END_S = 1.0
ROOT = Path(__file__).resolve().parents[2]
BEGIN = "import sys; sys.path.insert(0, sys.argv[1]); import sweep.tracking.writer_main as it; it.main(int(sys.argv[2]))"


class WriterEndedError(Exception):
    """The process has ended before it was told to."""


class WriterProcess:
    """A new process that imports MLflow, then waits for a `Target`; speaks the words of `sweep.tracking.messages`.

    It is a program of its own and no fork or spawn of this one: it holds nothing of what the driver has imported, and
    does not run the driver's script again. It ends when this end of the pipe is let go, and so also when this process
    dies, of whatever. It is in a session of its own, where Ctrl-C in a terminal does not reach it.
    """

    def __init__(self) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        # -P: a user's own files in the working directory are not imported in place of ours.
        command = [sys.executable, "-P", "-c", BEGIN, str(ROOT), str(theirs.fileno())]
        nowhere = subprocess.DEVNULL
        self._process = subprocess.Popen(
            command,
            stdin=nowhere,
            stdout=nowhere,
            stderr=nowhere,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, *messages: Any) -> None:
        """Send messages; may wait for the process to take them. Whether it has ended is said by `receive`."""
        with contextlib.suppress(OSError):
            self._pipe.send(messages)

    def receive(self, timeout_s: float | None = None) -> Any:
        """Wait for the next answer. Raises WriterEndedError, or TimeoutError after `timeout_s` seconds without one."""
        try:
            if self._pipe.poll(timeout_s):
                return self._pipe.recv()
        except (EOFError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
            raise WriterEndedError(
                f"the process that writes to MLflow ended, status {self._process.returncode}"
            ) from None
        raise TimeoutError

    def end(self) -> None:
        """End the process, whatever it does. May be called again."""
        self._pipe.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
