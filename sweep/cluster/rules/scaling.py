"""When machines come and go, and which may be taken away."""

from __future__ import annotations

from collections.abc import Iterator

from sweep.cluster.cluster_file import ClusterFile, items, mapping
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.surroundings import Surroundings

IDLE_MINUTES = 2, 60
OLD_IMAGE = "", "latest_dlami"
"""What makes Ray 2.60 take an image of Ubuntu 18.04, whose Python is 3.6."""


def scaling(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """Autoscaling, spot machines, and idle ones."""
    for node in file.head_types:
        if node.is_spot:
            yield error(
                node.where, "a head that may be taken away", "on demand: it holds driver, journal and MLflow"
            )
    if file.kind == "kuberay":
        yield from _kuberay(file)
    elif file.provider == "local":
        yield from _local(file)
    else:
        yield from _cloud(file)


def _cloud(file: ClusterFile) -> Iterator[Finding]:
    provider = mapping(file.content.get("provider"))
    is_spot = any(node.is_spot for node in file.worker_types)
    if file.provider == "aws" and is_spot and provider.get("cache_stopped_nodes", True) is not False:
        found = str(provider.get("cache_stopped_nodes", "not given, which means true"))
        yield warning(
            "provider.cache_stopped_nodes",
            found,
            "false: spot instances cannot be stopped, and the head would be",
        )
    if (
        file.provider in ("aws", "gcp")
        and is_spot
        and not any(file.calls_of("respsweep", "cluster", "watch"))
    ):
        found = "spot workers, and nothing that sees them taken back"
        yield warning(
            "worker_start_ray_commands", found, "respsweep cluster watch, in the background, after ray start"
        )
    yield from _idle("idle_timeout_minutes", file.content.get("idle_timeout_minutes", 5))
    if file.content.get("max_workers") == 0:
        yield error("max_workers", "0", "how many workers there may be")
    for node in file.worker_types:
        minimum = mapping(mapping(file.content.get("available_node_types")).get(node.name)).get(
            "min_workers", 0
        )
        if minimum:
            yield warning(
                f"{node.where}.min_workers", str(minimum), "0: these are paid for while nothing runs"
            )
    for command, call in file.calls_of("ray", "start"):
        if "--head" in call.words and not call.option("--autoscaling-config"):
            yield error(
                command.where,
                "no --autoscaling-config",
                "--autoscaling-config=~/ray_bootstrap_config.yaml, or no worker comes",
            )
    if file.provider == "aws":
        for name, node in mapping(file.content.get("available_node_types")).items():
            image = str(mapping(mapping(node).get("node_config")).get("ImageId", ""))
            if image.lower() in OLD_IMAGE:
                found = "not given, so that Ray takes one of Ubuntu 18.04"
                yield error(
                    f"available_node_types.{name}.node_config.ImageId",
                    found,
                    "an image with Python 3.11 or newer",
                )


def _local(file: ClusterFile) -> Iterator[Finding]:
    for command, call in file.calls_of("ray", "start"):
        if "--head" not in call.words:
            continue
        if call.environment.get("RAY_enable_autoscaler_v2") != "0":
            wanted = "RAY_enable_autoscaler_v2=0: with provider local the newer autoscaler starts one worker too few"
            yield error(command.where, "RAY_enable_autoscaler_v2 not 0", wanted)
        if not call.option("--autoscaling-config"):
            yield error(
                command.where,
                "no --autoscaling-config",
                "--autoscaling-config=~/ray_bootstrap_config.yaml, or no worker comes",
            )
    hosts = items(mapping(file.content.get("provider")).get("worker_ips"))
    limit = file.content.get("max_workers", len(hosts))
    if isinstance(limit, int) and limit < len(hosts):
        yield warning("max_workers", str(limit), f"{len(hosts)}, as many as there are worker_ips")


def _kuberay(file: ClusterFile) -> Iterator[Finding]:
    if not file.content.get("enableInTreeAutoscaling"):
        yield warning(
            f"{file.root}enableInTreeAutoscaling", "not true", "true: else GPUs are held while nothing runs"
        )
    idle = mapping(file.content.get("autoscalerOptions")).get("idleTimeoutSeconds")
    if isinstance(idle, int):
        yield from _idle(f"{file.root}autoscalerOptions.idleTimeoutSeconds", idle / 60)
    for number, group in enumerate(map(mapping, items(file.content.get("workerGroupSpecs")))):
        if group.get("minReplicas"):
            where = f"{file.root}workerGroupSpecs.{number}.minReplicas"
            yield warning(where, str(group["minReplicas"]), "0: these are paid for while nothing runs")


def _idle(where: str, minutes: object) -> Iterator[Finding]:
    shortest, longest = IDLE_MINUTES
    if isinstance(minutes, int | float) and not shortest <= minutes <= longest:
        wanted = f"{shortest} to {longest} minutes: with less, machines come and go; with more, idle ones are paid for"
        yield warning(where, f"{minutes:g} minutes", wanted)
