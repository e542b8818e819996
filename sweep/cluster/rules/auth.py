"""Who may use the cluster: Ray's token on head, workers and driver. Without one, who reaches a port runs code."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from sweep.cluster.cluster_file import ClusterFile, items, mapping
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.kuberay import containers, groups
from sweep.cluster.surroundings import Surroundings, kind_of

TOKEN_FILE = "~/.ray/auth_token"
START = "RAY_AUTH_MODE=token ray start ..."
MAKE = "(umask 077; ray get-auth-token --generate > /dev/null)"
STARTS = {"head_start_ray_commands": "on_head", "worker_start_ray_commands": "on_workers"}


def auth_mode(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """Find where Ray is started without RAY_AUTH_MODE=token."""
    if file.kind == "kuberay":
        yield from _kuberay(file)
        return
    starts = list(file.calls_of("ray", "start"))
    for key, role in STARTS.items():
        if any(getattr(command, role) for command, _ in starts):
            continue
        if file.content.get(key):
            yield warning(key, "no ray start that can be seen here", START)
        else:
            found = "not given, so that Ray's default starts it: no token, and on AWS and GCP a dashboard for everybody"
            yield error(key, found, START)
    for command, call in starts:
        if (mode := call.environment.get("RAY_AUTH_MODE")) != "token":
            found = "ray start without RAY_AUTH_MODE" if mode is None else f"RAY_AUTH_MODE={mode}"
            yield error(command.where, found, START)


def token(file: ClusterFile, surroundings: Surroundings) -> Iterator[Finding]:
    """Find whether the token file is on this machine, private, and shipped to head and workers."""
    environments = [call.environment for _, call in file.calls_of("ray", "start")]
    named = [path for each in environments if (path := each.get("RAY_AUTH_TOKEN_PATH"))]
    remote = next(iter(named), TOKEN_FILE)
    where, local = f"file_mounts.{remote}", mapping(file.content.get("file_mounts")).get(remote)
    if isinstance(local, str):
        yield from _local_token(where, surroundings.local_path(local))
    else:
        yield error(where, "not given", f"{TOKEN_FILE}: the token that head and workers must share")
    if (mode := surroundings.environment.get("RAY_AUTH_MODE", "token")) != "token":
        wanted = "token, or unset: a driver here could not join the cluster"
        yield warning("RAY_AUTH_MODE of this shell", mode, wanted)


def _local_token(where: str, path: Path) -> Iterator[Finding]:
    if kind_of(path) != "file":
        yield error(where, f"{path}: not there", f"make it: {MAKE}")
        return
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield error(where, f"{path}: others on this machine may read it", f"chmod 600 {path}")
    if not path.read_text(encoding="utf-8", errors="replace").strip():
        yield error(where, f"{path}: empty", f"remove it, then: {MAKE}")


def _kuberay(file: ClusterFile) -> Iterator[Finding]:
    mode = mapping(file.content.get("authOptions")).get("mode")
    if mode is None and all(_has_token(group) for _, group, _ in groups(file.root, file.content)):
        return
    # An empty authOptions means token to KubeRay; without the field there is no authentication.
    if mode != "token" and not (mode is None and "authOptions" in file.content):
        found = "not given" if mode is None else repr(mode)
        yield error(f"{file.root}authOptions.mode", found, "token (KubeRay 1.5.1 or newer)")


def _has_token(group: dict[str, object]) -> bool:
    """Whether the Ray container gets mode and token from its own environment."""
    ray = next(iter(containers(group)), {})
    environment = {str(entry.get("name")): entry for entry in map(mapping, items(ray.get("env")))}
    secret = mapping(environment.get("RAY_AUTH_TOKEN", {}).get("valueFrom"))
    return environment.get("RAY_AUTH_MODE", {}).get("value") == "token" and "secretKeyRef" in secret
