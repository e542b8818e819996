"""The command line: `respsweep COMMAND`. Each command is a file in `sweep/commands/`."""

from __future__ import annotations

import logging
import sys
import warnings

from data.errors import UserError, escaped, one_line, shortened


def main() -> None:
    """Run the command in `sys.argv`.

    What a user can mend becomes one line on stderr, and so does the pause of a study that somebody stopped; every other
    exception keeps its traceback. The exit status is 75 of a study that was stopped and can be taken up again, and 1 of
    all else that went wrong.
    """
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


def _show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    """Print a warning of ours in one line; libraries warn in other categories, and are not for users."""
    if category is UserWarning:
        print(shortened(one_line(f"warning: {message}")), file=sys.stderr)


class _EscapingFormatter(logging.Formatter):
    """Log lines, with the control characters of names and messages escaped."""

    def format(self, record: logging.LogRecord) -> str:
        return escaped(super().format(record))
