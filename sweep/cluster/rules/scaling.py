"""When machines come and go, and which may be taken away."""

from __future__ import annotations

from collections.abc import Iterator

from sweep.cluster.cluster_file import ClusterFile, mapping
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.kuberay import groups
from sweep.cluster.surroundings import Surroundings

IDLE_MINUTES = 2, 60
OLD_IMAGE = "", "latest_dlami"
"""Values of an image for which Ray 2.60 takes Ubuntu 18.04, whose Python is 3.6."""
PAID_FOR = "0: these are paid for while nothing runs"


def scaling(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """Find what is wrong with autoscaling, spot machines and idle machines."""
    for node in file.head_types:
        if node.is_spot:
            wanted = "on demand: it holds driver, journal and MLflow"
            yield error(node.where, "a head that may be taken away", wanted)
    if file.kind == "kuberay":
        yield from _kuberay(file)
        return
    for command, call in file.calls_of("ray", "start"):
        if "--head" in call.words and not call.option("--autoscaling-config"):
            wanted = "--autoscaling-config=~/ray_bootstrap_config.yaml, or no worker comes"
            yield error(command.where, "no --autoscaling-config", wanted)
        v2 = call.environment.get("RAY_enable_autoscaler_v2")
        if "--head" in call.words and file.provider == "local" and v2 != "0":
            wanted = "RAY_enable_autoscaler_v2=0: with provider local the newer autoscaler starts one worker too few"
            yield error(command.where, "RAY_enable_autoscaler_v2 not 0", wanted)
    if file.provider != "local":
        yield from _cloud(file)


def _cloud(file: ClusterFile) -> Iterator[Finding]:
    has_spot = any(node.is_spot for node in file.worker_types)
    kept = mapping(file.content.get("provider")).get("cache_stopped_nodes", True)
    if file.provider == "aws" and has_spot and kept is not False:
        wanted = "false: spot instances cannot be stopped, and the head would be"
        yield warning("provider.cache_stopped_nodes", "not given, or true", wanted)
    if has_spot and not any(file.calls_of("respsweep", "cluster", "watch")):
        wanted = "respsweep cluster watch, in the background, after ray start"
        yield warning(
            "worker_start_ray_commands", "spot workers, and nothing that sees them taken back", wanted
        )
    yield from _idle("idle_timeout_minutes", file.content.get("idle_timeout_minutes", 5))
    if file.content.get("max_workers") == 0:
        yield error("max_workers", "0", "how many workers there may be")
    types = mapping(file.content.get("available_node_types"))
    for node in file.worker_types:
        if fewest := mapping(types.get(node.name)).get("min_workers", 0):
            yield warning(f"{node.where}.min_workers", str(fewest), PAID_FOR)
    for node in file.node_types if file.provider == "aws" else ():
        image = mapping(mapping(types.get(node.name)).get("node_config")).get("ImageId", "")
        if str(image).lower() in OLD_IMAGE:
            found = "not given, so that Ray takes one of Ubuntu 18.04"
            yield error(f"{node.where}.node_config.ImageId", found, "an image with Python 3.11 or newer")


def _kuberay(file: ClusterFile) -> Iterator[Finding]:
    if not file.content.get("enableInTreeAutoscaling"):
        wanted = "true: else GPUs are held while nothing runs"
        yield warning(f"{file.root}enableInTreeAutoscaling", "not true", wanted)
    idle = mapping(file.content.get("autoscalerOptions")).get("idleTimeoutSeconds")
    if isinstance(idle, int):
        yield from _idle(f"{file.root}autoscalerOptions.idleTimeoutSeconds", idle / 60)
    for where, group, _ in groups(file.root, file.content):
        if group.get("minReplicas"):
            yield warning(f"{where}.minReplicas", str(group["minReplicas"]), PAID_FOR)


def _idle(where: str, minutes: object) -> Iterator[Finding]:
    shortest, longest = IDLE_MINUTES
    if isinstance(minutes, int | float) and not shortest <= minutes <= longest:
        wanted = f"{shortest} to {longest} minutes: with less, machines come and go; with more, idle ones are paid for"
        yield warning(where, f"{minutes:g} minutes", wanted)
