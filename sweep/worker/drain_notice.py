"""Whether the node of this process is about to be taken back: by the cloud, the autoscaler, or a person."""

from __future__ import annotations

import functools
import logging
import threading
import time

import ray
from ray._private.state import state as cluster_state

log = logging.getLogger(__name__)
LOOK_EVERY_S = 2.0


class NodeDrainedError(Exception):
    """The unit left its node, because that is about to be taken back."""


class DrainNotice:
    """Answers True once Ray calls this process's node draining. A thread asks Ray, so that a call costs nothing."""

    def __init__(self) -> None:
        self._heard = False
        if ray.is_initialized():
            node = ray.get_runtime_context().get_node_id()
            threading.Thread(target=self._watch, args=(node,), name="drain-notice", daemon=True).start()

    def __call__(self) -> bool:
        return self._heard

    def _watch(self, node: str) -> None:
        while not self._heard:
            try:
                self._heard = node in (cluster_state.get_draining_nodes() or {})
            except Exception as error:
                log.debug("the head does not answer, asking again: %s", error)
            time.sleep(LOOK_EVERY_S)


@functools.cache
def drain_notice() -> DrainNotice:
    """Return the drain notice of this process."""
    return DrainNotice()
