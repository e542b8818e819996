"""The command line: `respsweep COMMAND`. Each command is a file in `sweep/commands/`."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator

from data.errors import UserError, escaped, one_line, shortened


def program() -> None:
    """Run the command in `sys.argv` as a process of its own, whose exit status stands once it is 0, or 75 of a pause.

    Python may take seconds to end itself, while libraries are still being read, and Ctrl-C would kill it meanwhile.
    """
    try:
        main()
    except SystemExit as ended:
        if ended.code in (None, 0, os.EX_TEMPFAIL):
            for number in (signal.SIGINT, signal.SIGUSR1):
                signal.signal(number, signal.SIG_IGN)
        raise


def main() -> None:
    """Run the command in `sys.argv`.

    What a user can mend becomes one line on stderr, and so does the pause of a study that somebody stopped; every other
    exception keeps its traceback. The exit status is 75 of a study, or a run with a checkpoint, that was stopped and can
    be taken up again, and of whatever USR1 ended, and 1 of all else that went wrong.
    """
    with _pausing_on_usr1():
        _run()


def _run() -> None:
    warnings.showwarning = _show_warning
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_EscapingFormatter())
    try:
        # Here, so that Ctrl-C is caught while the libraries are read.
        from sweep.commands.app import app
    except KeyboardInterrupt:
        print("stopped before it began; nothing has run", file=sys.stderr)
        raise SystemExit(1) from None
    try:
        app()
    except OSError as error:
        if error.filename is None:
            raise
        print(shortened(one_line(f"error: {error.filename}: {error.strerror}")), file=sys.stderr)
        raise SystemExit(1) from None
    except UserError as error:
        print(f"{error.opening}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_status) from None


@contextlib.contextmanager
def _pausing_on_usr1() -> Iterator[None]:
    """Take USR1 for Ctrl-C, but end with status 75: SLURM sends it before a job's time is up, however early that is.

    By itself it would end this process with nothing tidied up. What runs a study, or waits for one, hears it in its own
    way from its beginning to its end.
    """
    heard = False

    def stop(number: int, frame: object) -> None:
        nonlocal heard
        heard = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        yield
    except SystemExit as ended:
        if heard and ended.code:
            raise SystemExit(os.EX_TEMPFAIL) from None
        raise
    finally:
        signal.signal(signal.SIGUSR1, before)


def _show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    """Print a warning of ours in one line; libraries warn in other categories, and are not for users."""
    if category is UserWarning:
        print(shortened(one_line(f"warning: {message}")), file=sys.stderr)


class _EscapingFormatter(logging.Formatter):
    """Log lines, with the control characters of names and messages escaped."""

    def format(self, record: logging.LogRecord) -> str:
        return escaped(super().format(record))
