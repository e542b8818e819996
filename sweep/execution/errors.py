"""What a cluster cannot do."""

from data.errors import UserError


class ExecutorError(UserError):
    """The machines cannot run the study as asked."""
