import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from sweep.execution.errors import ExecutorError
from sweep.execution.head_proof import NONCE_BYTES, HeadProof, is_proved

RAY = "127.0.0.1:6379"


@contextlib.contextmanager
def stranger(talk: Callable[[socket.socket], object]) -> Iterator[str]:
    """Somebody else who listens, and says what `talk` says to whoever comes; yields the address."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                with server.accept()[0] as connection:
                    talk(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def test_who_has_the_token_of_this_ray_proves_it_as_often_as_asked() -> None:
    with HeadProof(RAY, "secret") as proof:
        assert all(is_proved(proof.address, RAY, "secret") for _ in range(3))
        assert not is_proved(proof.address, RAY, "another token")
        assert not is_proved(proof.address, "127.0.0.1:6380", "secret"), "that is another Ray"
    assert not is_proved(proof.address, RAY, "secret"), "its driver is gone"


@pytest.mark.parametrize(
    "talk",
    [
        lambda connection: None,
        lambda connection: connection.sendall(bytes(32)),
        lambda connection: connection.sendall(connection.recv(NONCE_BYTES)),
        lambda connection: connection.recv(NONCE_BYTES + 1) and connection.recv(1),
    ],
    ids=["hangs up", "zeros", "an echo", "silence"],
)
def test_a_stranger_proves_nothing(talk: Callable[[socket.socket], object]) -> None:
    with stranger(talk) as address:
        assert not is_proved(address, RAY, "secret", timeout_s=0.5)


def test_an_address_that_is_none_proves_nothing() -> None:
    assert not is_proved("nonsense", RAY, "secret")
    assert not is_proved("127.0.0.1:99999999", RAY, "secret")


def test_whoever_says_too_little_keeps_nobody_waiting() -> None:
    with HeadProof(RAY, "secret") as proof:
        host, _, port = proof.address.rpartition(":")
        with socket.create_connection((host, int(port))) as silent:
            silent.sendall(b"too little")
            assert is_proved(proof.address, RAY, "secret")


def test_what_goes_over_the_network_is_not_the_token() -> None:
    heard = []

    def listen(connection: socket.socket) -> None:
        heard.append(connection.recv(1000))

    with stranger(listen) as address:
        is_proved(address, RAY, "secret", timeout_s=0.5)
    assert len(heard[0]) == NONCE_BYTES
    assert b"secret" not in heard[0]


def test_a_host_that_is_not_this_one_cannot_be_vouched_for() -> None:
    with pytest.raises(ExecutorError, match=r"^192\.0\.2\.77: no port can be opened there"):
        HeadProof("192.0.2.77:6379", "secret")
