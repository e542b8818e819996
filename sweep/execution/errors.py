"""Errors of the machines that run a study."""

from data.errors import UserError


class ExecutorError(UserError):
    """The machines cannot run the study as asked."""
