"""What a RayJob needs to run a study and to end, beyond what KubeRay and the Kubernetes API server ask for."""

from __future__ import annotations

from collections.abc import Iterator

from sweep.cluster.cluster_file import ClusterFile, mapping
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.kuberay import containers, groups, is_kuberay
from sweep.cluster.surroundings import Surroundings

MODES = "K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"


def kuberay(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """Find fields whose absence or value nobody else refuses before pods are started."""
    resource = next(document for document in file.documents if is_kuberay(document))
    if resource.get("kind") == "RayJob":
        spec = mapping(resource.get("spec"))
        if not spec.get("entrypoint"):
            yield error("spec.entrypoint", "not given", "respsweep run ... --address auto")
        if (mode := spec.get("submissionMode", MODES[0])) not in MODES:
            yield error("spec.submissionMode", str(mode), f"one of {', '.join(MODES)}")
        if not spec.get("shutdownAfterJobFinishes") and not spec.get("deletionStrategy"):
            wanted = "true: else the pods stay, and cost, when the study ends"
            yield warning("spec.shutdownAfterJobFinishes", "not true", wanted)
        if not spec.get("backoffLimit"):
            wanted = "more: a head that dies comes again, and the study goes on by its name"
            yield warning("spec.backoffLimit", "0", wanted)
    for where, group, _is_head in groups(file.root, file.content):
        for number, container in enumerate(containers(group)):
            place = f"{where}.template.spec.containers.{number}"
            if not container.get("image"):
                yield error(f"{place}.image", "not given", "an image that has respsweep, first in its pod")
            if number == 0 and "memory" not in mapping(mapping(container.get("resources")).get("limits")):
                yield warning(f"{place}.resources.limits", "no memory", "memory: Ray counts it by this limit")
