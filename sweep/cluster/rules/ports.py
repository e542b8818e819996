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
FORWARD = "ClusterIP; reach it by kubectl port-forward"


def ports(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """Find ports that are open to more than the cluster itself; only ssh may be, and better not from everywhere."""
    for command, call in file.calls_of("ray", "start"):
        host = call.option("--dashboard-host")
        if host is not None and not is_loopback(host):
            wanted = "127.0.0.1: who reaches the dashboard runs code; see it by ray dashboard or ray attach -p 8265"
            yield error(command.where, f"--dashboard-host={host}", wanted)
        if call.option("--ray-client-server-port") is not None:
            wanted = "nothing: the driver runs on the head, without Ray Client"
            yield error(command.where, "--ray-client-server-port", wanted)
    yield from _kuberay(file) if file.kind == "kuberay" else _launcher(file)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _launcher(file: ClusterFile) -> Iterator[Finding]:
    # `ray start --head` of 2.60 always starts Ray Client's server, and no option turns that off.
    heads = [command for command, call in file.calls_of("ray", "start") if "--head" in call.words]
    if heads and not any("util.client.server" in command.text for command in file.commands):
        found = f"Ray Client's server stays, on port {RAY_CLIENT} of the head's private address"
        yield warning(heads[0].where, found, "then: pkill -u $(id -u) -f '[r]ay.util.client.server' || true")
    if file.provider == "aws":
        yield from _security_group(file)
    docker = mapping(file.content.get("docker"))
    for key in ("run_options", "head_run_options", "worker_run_options"):
        for position, option in enumerate(map(str, items(docker.get(key)))):
            if option.split("=")[0].split()[0:1] in (["-p"], ["-P"], ["--publish"], ["--publish-all"]):
                wanted = "nothing: forward ports by ssh (ray attach -p)"
                yield error(f"docker.{key}.{position}", option, wanted)


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
        found = "not given: in the group that Ray makes, ssh is open to everybody"
        wanted = "a group made beforehand, with ssh from your network and everything from itself"
        yield warning("provider.security_group.GroupName", found, wanted)


def _ingress(where: str, rule: dict[str, Any]) -> Iterator[Finding]:
    ranges = [str(mapping(entry).get("CidrIp")) for entry in items(rule.get("IpRanges"))]
    ranges += [str(mapping(entry).get("CidrIpv6")) for entry in items(rule.get("Ipv6Ranges"))]
    opened = f"ports {rule.get('FromPort')} to {rule.get('ToPort')}"
    is_ssh = str(rule.get("IpProtocol")) != "-1" and opened == f"ports {SSH} to {SSH}"
    if ranges and not is_ssh:
        wanted = "ssh only; forward the rest (ray attach -p)"
        yield error(where, f"{opened} open to {', '.join(ranges)}", wanted)
    elif set(ranges) & set(EVERYBODY):
        yield warning(where, f"ssh open to {', '.join(ranges)}", "the addresses of your network")


def _kuberay(file: ClusterFile) -> Iterator[Finding]:
    head, where = mapping(file.content.get("headGroupSpec")), f"{file.root}headGroupSpec"
    if head.get("serviceType", "ClusterIP") != "ClusterIP":
        yield error(f"{where}.serviceType", str(head["serviceType"]), FORWARD)
    if head.get("enableIngress"):
        yield error(f"{where}.enableIngress", "true", "false; reach the dashboard by kubectl port-forward")
    if "ray-client-server-port" in mapping(head.get("rayStartParams")):
        wanted = "nothing: the driver runs in the head pod"
        yield error(f"{where}.rayStartParams.ray-client-server-port", "given", wanted)
    listed = [mapping(port) for container in containers(head) for port in items(container.get("ports"))]
    if any(port.get("containerPort") == RAY_CLIENT for port in listed):
        found = f"port {RAY_CLIENT}, Ray Client's"
        yield warning(f"{where}.template.spec.containers", found, "nothing: leave it out")
    if pod_spec(head).get("hostNetwork"):
        wanted = "false: the ports would be those of the machine"
        yield error(f"{where}.template.spec.hostNetwork", "true", wanted)
    for document in file.documents:
        kind = mapping(document.get("spec")).get("type")
        if document.get("kind") == "Service" and kind in ("LoadBalancer", "NodePort"):
            yield error("kind: Service, spec.type", str(kind), FORWARD)
    if not any(document.get("kind") == "NetworkPolicy" for document in file.documents):
        wanted = "one that lets in the cluster's pods and the operator only"
        yield warning("kind: NetworkPolicy", "none in this file", wanted)
