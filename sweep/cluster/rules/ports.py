"""Who can reach the cluster: security groups, services, and the addresses that Ray listens on."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from sweep.cluster.cluster_file import ClusterFile, items, mapping
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.kuberay import containers, pod_spec
from sweep.cluster.surroundings import Surroundings

SSH = 22
RAY_CLIENT = 10001
EVERYBODY = "0.0.0.0/0", "::/0"


def ports(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """Ports open to more than the cluster itself; only ssh may be, and better not from everywhere."""
    yield from _ray_start(file)
    if file.kind == "kuberay":
        yield from _kuberay(file)
    else:
        yield from _ray_client(file)
    if file.provider == "aws":
        yield from _security_group(file)
    docker = mapping(file.content.get("docker"))
    for key in ("run_options", "head_run_options", "worker_run_options"):
        for position, option in enumerate(items(docker.get(key))):
            if str(option).split("=")[0].split()[0:1] in (["-p"], ["-P"], ["--publish"], ["--publish-all"]):
                yield error(
                    f"docker.{key}.{position}", str(option), "nothing: forward ports by ssh (ray attach -p)"
                )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _ray_start(file: ClusterFile) -> Iterator[Finding]:
    for command, call in file.calls_of("ray", "start"):
        host = call.option("--dashboard-host")
        if host is not None and not is_loopback(host):
            wanted = "127.0.0.1: who reaches the dashboard runs code; see it by ray dashboard or ray attach -p 8265"
            yield error(command.where, f"--dashboard-host={host}", wanted)
        if call.option("--ray-client-server-port") is not None:
            yield error(
                command.where,
                "--ray-client-server-port",
                "nothing: the driver runs on the head, without Ray Client",
            )


def _ray_client(file: ClusterFile) -> Iterator[Finding]:
    """`ray start --head` of 2.60 always starts it; no option turns it off, and a container cannot do without."""
    heads = [command for command, call in file.calls_of("ray", "start") if "--head" in call.words]
    if heads and not any("util.client.server" in command.text for command in file.commands):
        found = f"Ray Client's server stays, on port {RAY_CLIENT} of the head's private address"
        yield warning(heads[0].where, found, "then: pkill -u $(id -u) -f '[r]ay.util.client.server' || true")


def _security_group(file: ClusterFile) -> Iterator[Finding]:
    group = mapping(mapping(file.content.get("provider")).get("security_group"))
    for number, rule in enumerate(items(group.get("IpPermissions"))):
        yield from _ingress(f"provider.security_group.IpPermissions.{number}", mapping(rule))
    own_groups = [
        {"SecurityGroupIds", "NetworkInterfaces", "LaunchTemplate"}
        & mapping(mapping(node).get("node_config")).keys()
        for node in mapping(file.content.get("available_node_types")).values()
    ]
    if "GroupName" not in group and not (own_groups and all(own_groups)):
        yield warning(
            "provider.security_group.GroupName",
            "not given: in the group that Ray makes, ssh is open to everybody",
            "a group made beforehand, with ssh from your network and everything from itself",
        )


def _ingress(where: str, rule: dict[str, Any]) -> Iterator[Finding]:
    ranges = [
        str(mapping(entry).get(key))
        for field, key in (("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6"))
        for entry in items(rule.get(field))
    ]
    if not ranges:
        return
    first, last = rule.get("FromPort"), rule.get("ToPort")
    if str(rule.get("IpProtocol")) == "-1" or (first, last) != (SSH, SSH):
        opened = "all ports" if str(rule.get("IpProtocol")) == "-1" else f"ports {first} to {last}"
        yield error(
            where, f"{opened} open to {', '.join(ranges)}", "ssh only; forward the rest (ray attach -p)"
        )
    elif set(ranges) & set(EVERYBODY):
        yield warning(where, f"ssh open to {', '.join(ranges)}", "the addresses of your network")


def _kuberay(file: ClusterFile) -> Iterator[Finding]:
    head, where = mapping(file.content.get("headGroupSpec")), f"{file.root}headGroupSpec"
    if head.get("serviceType", "ClusterIP") != "ClusterIP":
        yield error(
            f"{where}.serviceType", str(head["serviceType"]), "ClusterIP; reach it by kubectl port-forward"
        )
    if head.get("enableIngress"):
        yield error(f"{where}.enableIngress", "true", "false; reach the dashboard by kubectl port-forward")
    started = mapping(head.get("rayStartParams"))
    if "ray-client-server-port" in started:
        yield error(
            f"{where}.rayStartParams.ray-client-server-port",
            "given",
            "nothing: the driver runs in the head pod",
        )
    for container in containers(head):
        if any(mapping(port).get("containerPort") == RAY_CLIENT for port in items(container.get("ports"))):
            yield warning(
                f"{where}.template.spec.containers",
                f"port {RAY_CLIENT}, Ray Client's",
                "nothing: leave it out",
            )
    if pod_spec(head).get("hostNetwork"):
        yield error(
            f"{where}.template.spec.hostNetwork", "true", "false: the ports would be those of the machine"
        )
    for document in file.documents:
        kind = mapping(document.get("spec")).get("type")
        if document.get("kind") == "Service" and kind in ("LoadBalancer", "NodePort"):
            yield error("kind: Service, spec.type", str(kind), "ClusterIP; reach it by kubectl port-forward")
    if not any(document.get("kind") == "NetworkPolicy" for document in file.documents):
        yield warning(
            "kind: NetworkPolicy",
            "none in this file",
            "one that lets in the cluster's pods and the operator only",
        )
