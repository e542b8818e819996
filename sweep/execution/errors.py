"""What a cluster cannot do."""


class ExecutorError(RuntimeError):
    """The machines cannot run the study as asked."""
