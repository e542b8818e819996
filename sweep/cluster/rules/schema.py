"""Whether Ray can read a cluster file: its own validation, which `ray up` and its autoscaler on KubeRay run as well.

Field names of KubeRay's resources are checked by the Kubernetes API server alone, against the CRD that it holds:
`kubectl apply --dry-run=server --validate=strict -f FILE`.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from sweep.cluster.cluster_file import ClusterFile, mapping
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.surroundings import Surroundings


def schema(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """Find the first thing that Ray refuses, in Ray's words but for values, which may be secrets."""
    try:
        from jsonschema import ValidationError
        from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
        from ray.autoscaler._private.util import prepare_config, validate_config
    except ImportError as problem:
        yield warning("Ray's schema", f"not checked: {problem}", "make .venv/ready, which installs Ray")
        return
    where, content = file.root.rstrip("."), _completed(file)
    try:
        with _quietly():
            if file.kind == "kuberay":
                resource = {"metadata": {"name": "", "namespace": ""}, "spec": content}
                _derive_autoscaling_config_from_ray_cr(resource)
            else:
                # As written first, since a mistake has no place any more once Ray has filled in its defaults.
                written = {"max_workers": 2, **content, "cluster_synced_files": []}
                if file.provider == "local":
                    written.pop("min_workers", None)  # moved by Ray to the type that it makes of the hosts
                validate_config(written)
                validate_config(prepare_config(content))
    except ValidationError as problem:
        place = ".".join([*([where] if where else []), *map(str, problem.absolute_path)])
        yield error(place or "the file", *_refusal(problem))
    except Exception as problem:
        # A file may be wrong in ways for which Ray has no words: it then ends on whatever it stumbles over.
        said = f"no {problem}" if isinstance(problem, KeyError) else str(problem) or type(problem).__name__
        yield error(where or "the file", f"Ray refuses it: {said.splitlines()[0]}", "what Ray asks for")


def _completed(file: ClusterFile) -> dict[str, Any]:
    """Copy the file, and add what Ray finds out before it validates."""
    content = deepcopy(dict(file.content))
    # Ray asks EC2 for resources that are not given.
    for node in mapping(content.get("available_node_types")).values() if file.provider == "aws" else ():
        if isinstance(node, dict):
            node.setdefault("resources", {})
    return content


def _refusal(problem: Any) -> tuple[str, str]:
    """Say what a jsonschema error found, and what it wants."""
    if problem.validator == "additionalProperties":
        return problem.message, f"one of {', '.join(problem.schema.get('properties', {}))}"
    if problem.validator == "required":
        return problem.message, "Ray requires it"
    return type(problem.instance).__name__, f"{problem.validator}: {problem.validator_value}"


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep Ray from printing and logging while the block runs: what matters is raised as well."""
    logging.disable(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
