"""How a driver proves to workers that it lives and is theirs, before these send its token anywhere."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import socket
import socketserver
import threading
import time
from types import TracebackType
from typing import Self

from sweep.execution.errors import ExecutorError

NONCE_BYTES = 32
ANSWER_S = 3.0


class HeadProof:
    """A port at which this process answers random bytes with what only those who know the token can make of them.

    The file that names a driver outlives the death of the driver's machine, whose address may be a stranger's by then.
    Ray has no way to ask whether a head knows the token without sending it. So workers ask here: the answer to a nonce
    is its HMAC (SHA-256, RFC 2104) with the token as key, over Ray's address too. Whoever has no token learns nothing
    from such answers.
    """

    def __init__(self, address: str, token: str) -> None:
        """`address`: HOST:PORT of the Ray that is vouched for; the proof is given at another port of this host.

        Raises ExecutorError where nothing can listen there.
        """
        host = address.rpartition(":")[0]
        try:
            self._server = _Server((host, 0), _Answers)
        except OSError as error:
            raise ExecutorError(
                f"{host}: no port can be opened there, at which workers ask for this driver: {error.strerror}"
            ) from error
        self._server.address, self._server.token = address, token
        self.address = f"{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="head proof", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def is_proved(proof: str, address: str, token: str, timeout_s: float = ANSWER_S) -> bool:
    """Whether who listens at `proof` (HOST:PORT) knows the token of the Ray at `address`; False without an answer."""
    host, _, port = proof.rpartition(":")
    nonce = secrets.token_bytes(NONCE_BYTES)
    expected, deadline = _proof(address, token, nonce), time.monotonic() + timeout_s
    try:
        with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
            connection.sendall(nonce)
            answer = b""
            # One deadline for the whole answer: a stranger might send a byte now and then.
            while len(answer) < len(expected) and (left := deadline - time.monotonic()) > 0:
                connection.settimeout(left)
                if not (some := connection.recv(len(expected) - len(answer))):
                    break
                answer += some
            return hmac.compare_digest(answer, expected)
    except (OSError, ValueError, OverflowError):
        return False


def _proof(address: str, token: str, nonce: bytes) -> bytes:
    return hmac.digest(token.encode(), f"respsweep head {address} ".encode() + nonce, hashlib.sha256)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
    block_on_close = False
    address = token = ""

    def handle_error(self, request: object, client_address: object) -> None:
        # Somebody connected and went away, or said too little: nothing that a person watching would ask about.
        pass


class _Answers(socketserver.StreamRequestHandler):
    timeout = ANSWER_S

    def handle(self) -> None:
        nonce = self.rfile.read(NONCE_BYTES)
        if len(nonce) == NONCE_BYTES:
            assert isinstance(self.server, _Server)
            self.wfile.write(_proof(self.server.address, self.server.token, nonce))
