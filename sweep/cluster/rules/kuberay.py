"""Fields that the Kubernetes API or KubeRay's operator refuse, as their Go types (ray.io/v1) have them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from sweep.cluster.cluster_file import ClusterFile, items, mapping
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.kuberay import containers, is_kuberay, quantity
from sweep.cluster.rules.versions import ray_version
from sweep.cluster.surroundings import Surroundings

FIELDS = {
    "RayJob": "activeDeadlineSeconds backoffLimit clusterSelector deletionStrategy entrypoint entrypointNumCpus "
    "entrypointNumGpus entrypointResources jobId managedBy metadata rayClusterSpec "
    "runtimeEnvYAML shutdownAfterJobFinishes submissionMode submitterConfig submitterPodTemplate suspend "
    "ttlSecondsAfterFinished",
    "RayCluster": "authOptions autoscalerOptions enableInTreeAutoscaling gcsFaultToleranceOptions headGroupSpec "
    "headServiceAnnotations historyServerOptions managedBy networkPolicy rayVersion suspend tlsOptions upgradeStrategy "
    "workerGroupSpecs",
    "head": "enableIngress headService ingressOptions labels rayStartParams resources serviceType template",
    "worker": "groupName idleTimeoutSeconds labels maxReplicas minReplicas numOfHosts priority rayStartParams replicas "
    "resources scaleStrategy suspend template",
    "autoscalerOptions": "args command env envFrom idleTimeoutSeconds image imagePullPolicy resources securityContext "
    "upscalingMode version volumeMounts",
    "authOptions": "enableK8sTokenAuth mode secretName",
}
REQUIRED = {"head": ("template",), "worker": ("groupName", "minReplicas", "maxReplicas", "template")}
API_VERSION = "ray.io/v1"
MODES = "K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"


def kuberay_fields(file: ClusterFile, surroundings: Surroundings) -> Iterator[Finding]:
    """Names, types and limits of fields, and what a RayJob needs to end."""
    if file.kind != "kuberay":
        return
    resource = next(document for document in file.documents if is_kuberay(document))
    if resource.get("apiVersion") != API_VERSION:
        yield error("apiVersion", str(resource.get("apiVersion")), API_VERSION)
    if resource.get("kind") == "RayJob":
        yield from _job(mapping(resource.get("spec")))
    root = file.root
    yield from _names(root.rstrip("."), file.content, "RayCluster")
    for key in ("autoscalerOptions", "authOptions"):
        yield from _names(root + key, file.content.get(key), key)
    yield from ray_version(f"{root}rayVersion", file.content.get("rayVersion"), surroundings)
    yield from _group(f"{root}headGroupSpec", file.content.get("headGroupSpec"), "head")
    groups = items(file.content.get("workerGroupSpecs"))
    if not groups:
        yield error(f"{root}workerGroupSpecs", "none", "one or more: the head should only hold the driver")
    for number, group in enumerate(groups):
        yield from _group(f"{root}workerGroupSpecs.{number}", group, "worker")


def _job(spec: dict[str, Any]) -> Iterator[Finding]:
    yield from _names("spec", spec, "RayJob")
    if not spec.get("entrypoint"):
        yield error("spec.entrypoint", "not given", "respsweep run ... --address auto")
    if spec.get("submissionMode", MODES[0]) not in MODES:
        yield error("spec.submissionMode", str(spec["submissionMode"]), f"one of {', '.join(MODES)}")
    if not spec.get("shutdownAfterJobFinishes") and not spec.get("deletionStrategy"):
        yield warning(
            "spec.shutdownAfterJobFinishes",
            "not true",
            "true: else the pods stay, and cost, when the study ends",
        )
    if not spec.get("backoffLimit"):
        yield warning(
            "spec.backoffLimit", "0", "more: a head that dies comes again, and the study goes on by its name"
        )


def _group(where: str, group: Any, kind: str) -> Iterator[Finding]:
    group = mapping(group)
    yield from _names(where, group, kind)
    for key in REQUIRED[kind]:
        if key not in group:
            yield error(f"{where}.{key}", "not given", "KubeRay requires it")
    for key, value in mapping(group.get("rayStartParams")).items():
        if not isinstance(value, str):
            yield error(f"{where}.rayStartParams.{key}", type(value).__name__, f"text: {str(value)!r}")
    fewest, most = group.get("minReplicas", 0), group.get("maxReplicas", 0)
    if isinstance(fewest, int) and isinstance(most, int) and fewest > most:
        yield error(f"{where}.minReplicas", str(fewest), f"at most maxReplicas, {most}")
    pods = containers(group)
    if "template" in group and not pods:
        yield error(f"{where}.template.spec.containers", "none", "one whose image has respsweep, first")
    for number, container in enumerate(pods):
        yield from _container(f"{where}.template.spec.containers.{number}", container, runs_ray=number == 0)


def _container(where: str, container: dict[str, Any], runs_ray: bool) -> Iterator[Finding]:
    for key in ("name", "image"):
        if not container.get(key):
            yield error(f"{where}.{key}", "not given", "Kubernetes requires it")
    for number, entry in enumerate(map(mapping, items(container.get("env")))):
        if "value" in entry and not isinstance(entry["value"], str):
            yield error(
                f"{where}.env.{number}.value", type(entry["value"]).__name__, f"text: {str(entry['value'])!r}"
            )
    limits = mapping(mapping(container.get("resources")).get("limits"))
    if runs_ray and not {"cpu", "memory"} <= limits.keys():
        yield warning(
            f"{where}.resources.limits", "no cpu or no memory", "both: Ray counts CPUs and memory by them"
        )
    for key, value in limits.items():
        if (key == "cpu" or key.endswith("gpu")) and quantity(value) is None:
            yield error(
                f"{where}.resources.limits.{key}", str(value), "a number, or thousandths such as 500m"
            )


def _names(where: str, value: Any, kind: str) -> Iterator[Finding]:
    known = FIELDS[kind].split()
    for key in sorted(mapping(value).keys() - set(known)):
        near = difflib.get_close_matches(key, known, n=1)
        # A newer KubeRay may have it, but hardly one that looks like another.
        if near:
            yield error(f"{where}.{key}", "no such field", f"did you mean {near[0]}?")
        else:
            yield warning(f"{where}.{key}", "no field that is known here", f"one of {', '.join(known)}")
