"""A disk that is full, for the files of this process."""

import contextlib
import resource
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes while the block runs: writing more raises `OSError: File too large`."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, heard)
