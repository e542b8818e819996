"""Which workers a driver has, as its Ray tells who brings its token (a real Ray: tests/scenarios/test_workers.py)."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from unittest.mock import patch

import grpc
import pytest
from ray.core.generated.gcs_pb2 import GcsNodeInfo  # pyright: ignore[reportAttributeAccessIssue]
from ray.core.generated.gcs_service_pb2 import (
    GetAllNodeInfoReply,  # pyright: ignore[reportAttributeAccessIssue]
    GetClusterIdReply,  # pyright: ignore[reportAttributeAccessIssue]
)

from sweep.execution.head_file import Head
from sweep.execution.head_proof import HeadProof
from sweep.execution.joined_nodes import Node, joined_nodes
from sweep.execution.ray_doors import read_again


class Gcs(grpc.GenericRpcHandler):
    """Answers as Ray's head does, to who brings its token: a head and two workers, one of which is gone."""

    def __init__(self, token: str, worker: str) -> None:
        self._token, self._worker = token, worker

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        metadata = dict(handler_call_details.invocation_metadata)
        method = handler_call_details.method.rpartition("/")[2]

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            if metadata.get("authorization") != f"Bearer {self._token}":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")
            if method == "GetClusterId":
                return GetClusterIdReply(cluster_id=28 * b"c").SerializeToString()
            assert method == "GetAllNodeInfo"
            reply = GetAllNodeInfoReply()
            for number, address in enumerate(("10.0.0.1", self._worker, "10.0.0.3")):
                node = reply.node_info_list.add(
                    node_id=28 * bytes([number]), node_manager_address=address, is_head_node=number == 0
                )
                node.state = GcsNodeInfo.DEAD if number == 2 else GcsNodeInfo.ALIVE
                node.resources_total["CPU"] = 4
            return reply.SerializeToString()

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def driver() -> Iterator[Callable[[str, str], Head]]:
    """Starts a driver with a token and a worker, whose proof and Ray answer until the test ends."""
    with ExitStack() as ending, patch.dict(os.environ):

        def start(token: str, worker: str) -> Head:
            server = grpc.server(ThreadPoolExecutor(2))
            server.add_generic_rpc_handlers((Gcs(token, worker),))
            address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            server.start()
            ending.callback(lambda: server.stop(None).wait())
            return Head.here(address, token, ending.enter_context(HeadProof(address, token)).address)

        yield start
    read_again()


def test_drivers_with_tokens_of_their_own_tell_their_workers_one_after_the_other(
    driver: Callable[[str, str], Head],
) -> None:
    first, second = driver(64 * "a", "10.0.0.2"), driver(64 * "b", "10.0.0.9")
    for head, worker in ((first, "10.0.0.2"), (second, "10.0.0.9"), (first, "10.0.0.2")):
        assert joined_nodes(head) == [Node(worker, 4.0, 0)]


def test_a_ray_that_refuses_the_token_of_the_file_tells_nothing(driver: Callable[[str, str], Head]) -> None:
    other = driver(64 * "b", "10.0.0.9")
    with HeadProof(other.address, 64 * "a") as proof:
        assert joined_nodes(Head.here(other.address, 64 * "a", proof.address)) is None
