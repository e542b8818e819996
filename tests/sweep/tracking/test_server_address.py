"""Where an MLflow server may listen; by which names it answers is tried on a real one in test_server."""

import socket

import pytest

from sweep.tracking.server_address import (
    TrackingAddressError,
    check_port_is_free,
    host_environment,
    in_url,
    is_loopback,
    listening_address,
)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("::1", "::1"),
        ("10.1.2.3", "10.1.2.3"),
        ("172.16.0.1", "172.16.0.1"),
        ("192.168.7.7", "192.168.7.7"),
        ("100.64.3.2", "100.64.3.2"),
        ("fd00::7", "fd00::7"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
    ],
)
def test_loopback_and_private_addresses_are_taken(host: str, address: str) -> None:
    assert listening_address(host) == address
    assert is_loopback(address) == (host in ("127.0.0.1", "localhost", "::1"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::ffff:0.0.0.0"])
def test_all_addresses_at_once_are_refused(host: str) -> None:
    with pytest.raises(TrackingAddressError, match=f"--host {host}: would be every address of this machine"):
        listening_address(host)


@pytest.mark.parametrize("host", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "224.0.0.1"])
def test_a_public_address_is_refused(host: str) -> None:
    with pytest.raises(TrackingAddressError, match=rf"--host {host}: .* is a public address, .* by ssh"):
        listening_address(host)


def test_a_name_that_nobody_has_is_refused_in_one_line() -> None:
    with pytest.raises(
        TrackingAddressError, match=r"--host nowhere\.invalid: .*; give an address of this"
    ) as e:
        listening_address("nowhere.invalid")
    assert "\n" not in str(e.value)


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            TrackingAddressError, match=f"--port {port}: Address already in use; give another"
        ):
            check_port_is_free("127.0.0.1", port)
    check_port_is_free("127.0.0.1", port)


def test_an_address_of_another_machine_is_one_line() -> None:
    # TEST-NET-3, which nobody has.
    with pytest.raises(TrackingAddressError, match=r"--host 203\.0\.113\.9: Cannot assign requested address"):
        check_port_is_free("203.0.113.9", 5000)


def test_what_the_user_allows_is_added_and_origins_have_no_wildcard() -> None:
    theirs = {
        "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow.lab",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "https://mlflow.lab",
    }
    settings = host_environment("10.1.2.3", 5000, theirs)
    hosts = settings["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    origins = settings["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"].split(",")
    assert {"localhost:*", "127.0.0.1:*", "10.1.2.3", "10.1.2.3:*", "mlflow.lab"} <= set(hosts)
    assert {"http://10.1.2.3:5000", "https://mlflow.lab"} <= set(origins)
    assert "*" not in "".join(origins)
    assert "*" not in hosts


def test_a_url_has_an_ipv6_address_in_brackets() -> None:
    assert [in_url(address) for address in ("10.1.2.3", "::1")] == ["10.1.2.3", "[::1]"]
