"""Tells Ray that this node is about to go, so that units save where they are and move, and nothing new comes."""

from __future__ import annotations

import logging
import time

import ray
from ray._raylet import GcsClient  # pyright: ignore[reportAttributeAccessIssue]
from ray.core.generated import autoscaler_pb2
from ray.exceptions import AuthenticationError

from sweep.execution.errors import ExecutorError

RETRY_AFTER_S = 2.0


def drain_this_node(seconds: float, why: str, *, insist: bool = False) -> str:
    """Tell Ray's head that this node goes away in `seconds`; returns the node's address.

    Raises ExecutorError when no Ray runs here, or the head refuses; `insist`: only if that lasts until the node goes.
    """
    goes = time.monotonic() + seconds
    while True:
        try:
            return _drain(goes - time.monotonic(), why)
        except ExecutorError:
            if not insist or time.monotonic() + RETRY_AFTER_S > goes:
                raise
        time.sleep(RETRY_AFTER_S)


def _drain(seconds: float, why: str) -> str:
    try:
        ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
    except (AuthenticationError, ConnectionError, ValueError, RuntimeError) as error:
        raise ExecutorError(f"no Ray to drain on this machine: {str(error).splitlines()[0]}") from error
    try:
        here, address = ray.get_runtime_context(), ray.util.get_node_ip_address()
        # What there is besides is the hidden command `ray drain-node`, which does the same.
        accepted, refusal = GcsClient(address=here.gcs_address).drain_node(
            here.get_node_id(),
            autoscaler_pb2.DrainNodeReason.DRAIN_NODE_REASON_PREEMPTION,  # pyright: ignore[reportAttributeAccessIssue]
            why,
            int(1000 * (time.time() + seconds)),
        )
    finally:
        ray.shutdown()
    if not accepted:
        raise ExecutorError(f"{address}: Ray's head refuses to drain this node: {refusal}")
    return address
