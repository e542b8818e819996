"""How Ray reaches machines of your own: where they are, and with which key."""

from __future__ import annotations

from collections.abc import Iterator

from sweep.cluster.cluster_file import ClusterFile, items, mapping
from sweep.cluster.finding import Finding, error
from sweep.cluster.rules.placeholders import PLACEHOLDER
from sweep.cluster.rules.ports import is_loopback
from sweep.cluster.surroundings import Surroundings, kind_of


def ssh(file: ClusterFile, surroundings: Surroundings) -> Iterator[Finding]:
    """Find addresses that other machines cannot reach or that come twice, and a private key that is not here."""
    provider = mapping(file.content.get("provider"))
    workers = enumerate(items(provider.get("worker_ips")))
    seen: dict[str, str] = {}
    for where, address in [
        ("head_ip", provider.get("head_ip")),
        *((f"worker_ips.{i}", ip) for i, ip in workers),
    ]:
        if not isinstance(address, str) or PLACEHOLDER.search(address):
            continue
        if is_loopback(address):
            yield error(f"provider.{where}", address, "the address at which other machines reach this one")
        elif (first := seen.setdefault(address, where)) != where:
            # Ray ends on that by an assertion without words.
            wanted = "nothing: the head takes units as it is" if first == "head_ip" else "once"
            yield error(f"provider.{where}", f"{address}: already provider.{first}", wanted)
    key = mapping(file.content.get("auth")).get("ssh_private_key")
    if not isinstance(key, str) or PLACEHOLDER.search(key):
        return
    if kind_of(surroundings.local_path(key)) != "file":
        wanted = "name your key; without one: ssh-keygen -t ed25519, then ssh-copy-id to every machine"
        yield error("auth.ssh_private_key", f"{surroundings.local_path(key)}: not there", wanted)
