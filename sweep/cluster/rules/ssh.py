"""How Ray reaches the machines: the addresses of your own ones, and the key that lets it in."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from sweep.cluster.cluster_file import ClusterFile, items, mapping
from sweep.cluster.finding import Finding, error
from sweep.cluster.rules.schema import PLACEHOLDER
from sweep.cluster.surroundings import Surroundings

HOST = re.compile(r"(?=.*[a-z])(?!localhost$)\w([\w.-]*\w)?\.?", re.ASCII | re.IGNORECASE)
"""A host's name: letters, digits and hyphens between dots, a letter among them."""


def ssh(file: ClusterFile, surroundings: Surroundings) -> Iterator[Finding]:
    """Addresses that can be ones, each of one machine; and a private key that is here."""
    if file.provider == "local":
        yield from _addresses(mapping(file.content.get("provider")))
    key = mapping(file.content.get("auth")).get("ssh_private_key")
    if isinstance(key, str) and not PLACEHOLDER.search(key) and not surroundings.local_path(key).is_file():
        yield error(
            "auth.ssh_private_key",
            f"{surroundings.local_path(key)}: not there",
            "name your key; without one: ssh-keygen -t ed25519, then ssh-copy-id to every machine",
        )


def _addresses(provider: dict[str, Any]) -> Iterator[Finding]:
    written = [
        (f"provider.{key}", provider[key]) for key in ("head_ip", "external_head_ip") if key in provider
    ]
    written += [
        (f"provider.worker_ips.{number}", address)
        for number, address in enumerate(items(provider.get("worker_ips")))
    ]
    seen: dict[str, str] = {}
    for where, address in written:
        if isinstance(address, str) and PLACEHOLDER.search(address):
            continue
        wrong = _what_is_wrong(address) if isinstance(address, str) else "no text"
        if wrong is not None:
            yield error(
                where,
                f"{address}: {wrong}",
                "an address or name at which the machines reach each other: 10.0.0.10",
            )
        elif where == "provider.external_head_ip":
            continue
        elif (first := seen.setdefault(str(address), where)) != where:
            wanted = "nothing: the head takes units as it is" if first == "provider.head_ip" else "once"
            yield error(where, f"{address}: already {first}, and Ray ends on that", wanted)


def _what_is_wrong(address: str) -> str | None:
    """None for what may be an IP address or a host's name."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None if HOST.fullmatch(address) else "no address"
    if parsed.is_loopback or parsed.is_unspecified or parsed.is_multicast:
        return "no address of one machine for others"
    return None
