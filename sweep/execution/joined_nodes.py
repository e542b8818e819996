"""The machines that have joined a driver which is met by its file, seen from any machine."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

from sweep.execution.head_file import Head
from sweep.execution.ray_doors import AUTH_MODE, AUTH_TOKEN, read_again

log = logging.getLogger(__name__)
LEAST_ANSWER_S = 5


@dataclass(frozen=True)
class Node:
    """A worker: its address, and what it offers to units."""

    address: str
    cpus: float
    gpus: float

    def __str__(self) -> str:
        return f"{self.address}: {self.cpus:g} CPU" + (f", {self.gpus:g} GPU" if self.gpus else "")


def joined_nodes(head: Head) -> list[Node] | None:
    """List the workers of a driver, without those that are gone; None when it does not prove that it lives.

    Imports Ray. This process keeps the token in its environment.
    """
    if not head.proves_itself():
        return None
    os.environ.update({AUTH_MODE: "token", AUTH_TOKEN: head.token})
    # Another driver may have been asked before, with its token.
    read_again()
    from ray._raylet import GcsClient  # pyright: ignore[reportAttributeAccessIssue]
    from ray.core.generated import gcs_pb2

    try:
        infos = GcsClient(address=head.address).get_all_node_info(timeout=LEAST_ANSWER_S).values()
    except Exception as error:
        # Of a head that is gone Ray tells in many ways.
        log.debug("%s does not tell its nodes: %s", head.address, error)
        return None
    alive = gcs_pb2.GcsNodeInfo.ALIVE  # pyright: ignore[reportAttributeAccessIssue]
    there = [info for info in infos if info.state == alive and not info.is_head_node]
    return [
        Node(
            info.node_manager_address, info.resources_total.get("CPU", 0), info.resources_total.get("GPU", 0)
        )
        for info in there
    ]
