"""What runs in the process that writes to MLflow, from its beginning to its end (`sweep.tracking.writer_process`)."""

from __future__ import annotations

import os
import queue
import signal
import threading
from multiprocessing.connection import Connection
from typing import Any

from sweep.tracking.client_log_in import withhold_log_in
from sweep.tracking.messages import Close, Closed, Connected, Files, Models, Refused, Target, TrackingError

NICENESS = 10
"""Of the processor the writer takes what the driver and its workers leave."""


def main(descriptor: int) -> None:
    """Hear the driver at the other end of the pipe `descriptor`, until that lets go of it or dies; then end at once."""
    # It ends through its pipe: what stops driver and workers together must not stop it before it has written the rest.
    for stopping in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stopping, signal.SIG_IGN)
    os.nice(NICENESS)
    # Its database holds patients' numbers.
    os.umask(0o077)
    pipe = Connection(descriptor)
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_write, args=(pipe, heard), daemon=True).start()
    try:
        while True:
            for message in pipe.recv():
                heard.put(message)
    except (EOFError, OSError):
        # Without a driver nothing may be written any more, as the next one may be writing by now.
        os._exit(0)


def _write(pipe: Connection, heard: queue.SimpleQueue[Any]) -> None:
    """Write what is heard: a `Target`, then events, then `Close`."""
    try:
        from sweep.tracking.writer import Writer

        target = heard.get()
        assert isinstance(target, Target)
        if not target.log_in:
            withhold_log_in(os.environ)
        writer = Writer(target)
        pipe.send(Connected(writer.away))
        while not isinstance(message := heard.get(), Close):
            if isinstance(message, Models):
                writer.keep_models(message)
            elif isinstance(message, Files):
                writer.keep_files(message)
            else:
                writer(message)
        writer.close(message.timeout_s)
        pipe.send(Closed())
    except TrackingError as error:
        pipe.send(Refused(str(error)))
    except Exception as error:
        pipe.send(Refused(f"writing to MLflow failed: {type(error).__name__}: {error}"))
