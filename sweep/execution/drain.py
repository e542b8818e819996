"""Tells Ray that this node is about to go, so that units save where they are and move, and nothing new comes."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

import ray
from ray._raylet import GcsClient  # pyright: ignore[reportAttributeAccessIssue]
from ray.core.generated import autoscaler_pb2
from ray.exceptions import AuthenticationError

from sweep.execution.errors import ExecutorError
from sweep.execution.ray_doors import AUTH_MODE, AUTH_TOKEN, read_again

log = logging.getLogger(__name__)
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


def drain_node(head: str, token: str, name: str, seconds: float, why: str) -> bool:
    """Tell the Ray at `head` (HOST:PORT) that its node called `name` goes away in `seconds`; whether it agreed.

    This process joins no cluster, and keeps the token in its environment. False when the head does not answer, or knows
    no such node.
    """
    os.environ.update({AUTH_MODE: "token", AUTH_TOKEN: token})
    read_again()
    try:
        client = GcsClient(address=head)
        ids = [
            node.hex() for node, info in client.get_all_node_info(timeout=5).items() if info.node_name == name
        ]
        return bool(ids) and _ask(client, ids[0], seconds, why)[0]
    except Exception as error:
        # Of a head that is gone Ray tells in many ways.
        log.debug("%s does not drain %s: %s", head, name, error)
        return False


def _ask(client: Any, node: str, seconds: float, why: str) -> tuple[bool, str]:
    # What there is besides is the hidden command `ray drain-node`, which does the same.
    return client.drain_node(
        node,
        autoscaler_pb2.DrainNodeReason.DRAIN_NODE_REASON_PREEMPTION,  # pyright: ignore[reportAttributeAccessIssue]
        why,
        int(1000 * (time.time() + seconds)),
    )


def _drain(seconds: float, why: str) -> str:
    try:
        ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
    except (AuthenticationError, ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ExecutorError(f"no Ray to drain on this machine: {reason}") from error
    try:
        here, address = ray.get_runtime_context(), ray.util.get_node_ip_address()
        accepted, refusal = _ask(GcsClient(address=here.gcs_address), here.get_node_id(), seconds, why)
    finally:
        ray.shutdown()
    if not accepted:
        raise ExecutorError(f"{address}: Ray's head refuses to drain this node: {refusal}")
    return address
