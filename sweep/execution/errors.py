"""Errors of the machines that run a study."""

import os

from data.errors import UserError


class ExecutorError(UserError):
    """The machines cannot run the study as asked."""


class StoppedWaitingError(ExecutorError):
    """A study that was told to stop while no machine had come yet; the same command again may succeed."""

    exit_status = os.EX_TEMPFAIL
