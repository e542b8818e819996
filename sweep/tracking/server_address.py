"""The address on which an MLflow server listens, and the names to which it answers."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Mapping

from data.errors import UserError

EVERYWHERE = "localhost", "127.0.0.1", "[::1]"
"""Names to which every server answers: a request through an ssh-forwarded port names one of them, with any port."""


class TrackingAddressError(UserError):
    """An address on which an MLflow server may not, or cannot, listen."""


def listening_address(host: str) -> str:
    """The address that a server listens on for `host`, a name or an address: a loopback or a private one.

    MLflow speaks plain HTTP, so there is no option for a public address: a proxy with TLS belongs in front of a
    loopback one. Raises TrackingAddressError for an address that is public, or is all of them.
    """
    address = _look_up(host)
    if address.is_unspecified:
        raise TrackingAddressError(
            f"--host {host}: would be every address of this machine, public ones too; give a private one, or leave "
            "--host out and forward the port by ssh"
        )
    if address.is_global or address.is_multicast:
        raise TrackingAddressError(
            f"--host {host}: {address} is a public address, and runs and passwords would cross the internet in the "
            "clear; give a private one, or leave --host out and forward the port by ssh"
        )
    return str(address)


def is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def in_url(address: str) -> str:
    """Write an address as URLs and Host headers have it: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


def host_environment(address: str, port: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables from which MLflow learns its own names; names in `environment`, a proxy's say, are kept.

    Without these variables MLflow lets any name through that begins like a private address (`10.example.org`), and
    refuses what a browser sends to a private address.
    """
    own = list(dict.fromkeys((in_url(address), *_own_names())))
    hosts = [pattern for name in dict.fromkeys((*EVERYWHERE, *own)) for pattern in (name, _any_port(name))]
    # MLflow knows those of EVERYWHERE. No wildcards: it hands these to Flask-CORS as well, which reads one with a
    # wildcard as a regular expression that only has to match the beginning.
    origins = [f"http://{name}:{port}" for name in own if name not in EVERYWHERE]
    return {
        variable: ",".join(filter(None, [*patterns, environment.get(variable)]))
        for variable, patterns in (
            ("MLFLOW_SERVER_ALLOWED_HOSTS", hosts),
            ("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", origins),
        )
    }


def check_port_is_free(address: str, port: int) -> None:
    """Raise TrackingAddressError when nothing can listen at `address` on `port`."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen()
        except OSError as error:
            what = f"--host {address}" if error.errno == errno.EADDRNOTAVAIL else f"--port {port}"
            raise TrackingAddressError(f"{what}: {error.strerror}; give another one") from error


def _look_up(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise TrackingAddressError(
            f"--host {host}: {error.strerror}; give an address of this machine"
        ) from error
    # IPv4 first, as `ssh -L` and `ray attach -p` forward to it.
    entry = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    address = ipaddress.ip_address(entry[4][0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _own_names() -> list[str]:
    """This machine's names; browsers send them in lower case, other clients as they were typed."""
    names = socket.gethostname(), socket.getfqdn()
    return [spelling for name in names for spelling in (name, name.lower())]


def _any_port(name: str) -> str:
    # An opening bracket would begin a set of characters.
    return name.replace("[", "[[]") + ":*"
