"""When a run is saved: as minutes pass, by a thread that writes while training goes on; or after every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor


class TimedSaves:
    """Saves a run at the end of an epoch once `minutes` have passed since the last save, or since the run began.

    What is saved is a copy of the state; a thread writes it while training goes on. The next save waits for the one
    before, and raises what went wrong with it; so do `wait` and `close`. With 0 minutes every epoch is saved, and
    `epoch_ended` returns only when the state is written.
    """

    def __init__(
        self,
        write: Callable[[dict[str, Any]], None],
        minutes: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`write` saves a state, tensors and plain values, for good; `clock` tells seconds."""
        self._write = write
        self._minutes = minutes
        self._clock = clock
        self._saved = clock()
        self._thread: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    @property
    def every_epoch(self) -> bool:
        """Whether each epoch is saved before it is told of."""
        return self._minutes == 0

    def epoch_ended(self, state: Callable[[], dict[str, Any]]) -> bool:
        """Save what `state` returns if it is time to; returns whether the epoch that has just ended is being saved.

        Raises what writing raises: at once with 0 minutes, and else what went wrong with the save before.
        """
        self._raise_if_failed()
        if self.every_epoch:
            self.save(state())
            return True
        if self._clock() - self._saved < 60 * self._minutes:
            return False
        self.wait()
        self._saved = self._clock()
        written = _copied(state())
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing = self._thread.submit(self._write_copy, *written)
        return True

    def save(self, state: dict[str, Any]) -> None:
        """Save a state now, after the save before; returns when it is written."""
        self.wait()
        self._write(state)
        self._saved = self._clock()

    def wait(self) -> None:
        """Wait until nothing is being written. Raises what went wrong with the last save, once."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Wait, and end the thread; nothing is saved any more. Raises what `wait` raises."""
        try:
            self.wait()
        finally:
            if self._thread is not None:
                self._thread.shutdown()
                self._thread = None

    def _raise_if_failed(self) -> None:
        if self._writing is not None and self._writing.done():
            self.wait()

    def _write_copy(self, state: dict[str, Any], copied: torch.cuda.Event | None) -> None:
        if copied is not None:
            copied.synchronize()
        self._write(state)


def _copied(state: dict[str, Any]) -> tuple[dict[str, Any], torch.cuda.Event | None]:
    """Copy a state to the CPU, so that training may go on at once.

    From a GPU the copies go to pinned memory in the order of the device's other work, so nothing waits for them here;
    they are whole once the event that is returned has come. Without a GPU there is no such event.
    """
    devices = set[torch.device]()
    copy = _copy(state, devices)
    if not devices:
        return copy, None
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(*devices))
    return copy, event


def _copy(value: Any, devices: set[torch.device]) -> Any:
    if isinstance(value, Tensor):
        if value.is_cuda:
            devices.add(value.device)
            pinned = torch.empty_like(value, device="cpu", pin_memory=True)
            return pinned.copy_(value.detach(), non_blocking=True)
        return value.detach().clone()
    if isinstance(value, dict):
        return {name: _copy(one, devices) for name, one in value.items()}
    if isinstance(value, list):
        return [_copy(one, devices) for one in value]
    return value
