"""Whether units are to leave this process: its node is about to be taken back, or their study pauses."""

from __future__ import annotations

import functools
import logging
import threading
import time

import ray
from ray._private.state import state as cluster_state
from ray.experimental import internal_kv

log = logging.getLogger(__name__)
LOOK_EVERY_S = 2.0
DRAINED = "its node is about to be taken back"
PAUSED = "its study pauses"
_NAMESPACE = b"respsweep"


class UnitLeavesError(Exception):
    """The unit left its worker where it was, as `LeaveNotice` had said; the message begins with why."""


class LeaveNotice:
    """Answers True once Ray calls this process's node draining, or the driver of its units has them pause.

    A thread asks Ray, so that a call costs nothing.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        """Why to leave, in words; None while there is nothing to leave for."""
        if ray.is_initialized():
            threading.Thread(target=self._watch, name="leave-notice", daemon=True).start()

    def __call__(self) -> bool:
        return self.reason is not None

    def _watch(self) -> None:
        node = ray.get_runtime_context().get_node_id()
        while self.reason is None:
            try:
                if node in (cluster_state.get_draining_nodes() or {}):
                    self.reason = DRAINED
                elif internal_kv._internal_kv_exists(_pause(), namespace=_NAMESPACE):
                    self.reason = PAUSED
            except Exception as error:
                log.debug("the head does not answer, asking again: %s", error)
            time.sleep(LOOK_EVERY_S)


@functools.cache
def leave_notice() -> LeaveNotice:
    """Return the notice of this process."""
    return LeaveNotice()


def have_units_pause() -> None:
    """Give notice to all units of this driver that they are to leave. What Ray's head does not take is lost."""
    try:
        internal_kv._internal_kv_put(_pause(), b"1", namespace=_NAMESPACE)
    except Exception as error:
        log.debug("the head does not take the notice: %s", error)


def _pause() -> bytes:
    """Name what the head keeps of a pause, by this driver, or the one whose worker this process is."""
    return f"pause/{ray.get_runtime_context().get_job_id()}".encode()
