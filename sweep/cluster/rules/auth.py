"""Who may use the cluster: Ray's token on head, workers and driver. Without one, who reaches a port runs code."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from sweep.cluster.cluster_file import ClusterFile, Command, items, mapping
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.kuberay import containers
from sweep.cluster.shell import Call
from sweep.cluster.surroundings import Surroundings

TOKEN_FILE = "~/.ray/auth_token"
STARTS = {"head_start_ray_commands": "on_head", "worker_start_ray_commands": "on_workers"}


def auth_mode(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """RAY_AUTH_MODE=token wherever Ray is started."""
    if file.kind == "kuberay":
        yield from _kuberay_auth(file)
        return
    starts = list(file.calls_of("ray", "start"))
    for key, role in STARTS.items():
        if any(getattr(command, role) for command, _ in starts):
            continue
        if file.content.get(key):
            yield warning(key, "no ray start that can be seen here", "RAY_AUTH_MODE=token ray start ...")
        else:
            found = "not given, so that Ray's default starts it: no token, and on AWS and GCP a dashboard for everybody"
            yield error(key, found, "RAY_AUTH_MODE=token ray start ...")
    for command, call in starts:
        if (mode := call.environment.get("RAY_AUTH_MODE")) != "token":
            found = "ray start without RAY_AUTH_MODE" if mode is None else f"RAY_AUTH_MODE={mode}"
            yield error(command.where, found, "RAY_AUTH_MODE=token ray start ...")


def token(file: ClusterFile, surroundings: Surroundings) -> Iterator[Finding]:
    """The token file: on this machine, private, and shipped to head and workers."""
    if file.kind == "kuberay":
        return
    mounts = mapping(file.content.get("file_mounts"))
    remote = _remote_token(list(file.calls_of("ray", "start")))
    local = mounts.get(remote)
    if not isinstance(local, str):
        yield error(
            f"file_mounts.{remote}", "not given", f"{TOKEN_FILE}: the token that head and workers must share"
        )
    else:
        yield from _local_token(f"file_mounts.{remote}", surroundings.local_path(local))
    if surroundings.environment.get("RAY_AUTH_MODE", "token") != "token":
        yield warning(
            "RAY_AUTH_MODE of this shell",
            surroundings.environment["RAY_AUTH_MODE"],
            "token, or unset: a driver here could not join the cluster",
        )


def _remote_token(starts: list[tuple[Command, Call]]) -> str:
    """Where the machines look for the token."""
    return next(
        (path for _, call in starts if (path := call.environment.get("RAY_AUTH_TOKEN_PATH"))), TOKEN_FILE
    )


def _local_token(where: str, path: Path) -> Iterator[Finding]:
    if not path.is_file():
        yield error(
            where, f"{path}: not there", "make it: (umask 077; ray get-auth-token --generate > /dev/null)"
        )
        return
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield error(where, f"{path}: others on this machine may read it", f"chmod 600 {path}")
    if not path.read_text(encoding="utf-8", errors="replace").strip():
        yield error(
            where, f"{path}: empty", "remove it, then: (umask 077; ray get-auth-token --generate > /dev/null)"
        )


def _kuberay_auth(file: ClusterFile) -> Iterator[Finding]:
    where = f"{file.root}authOptions.mode"
    mode = mapping(file.content.get("authOptions")).get("mode")
    if mode is None and all(_has_token(group) for group in _groups(file)):
        return
    # An empty authOptions means token to KubeRay; without the field there is no authentication.
    if mode != "token" and not (mode is None and "authOptions" in file.content):
        yield error(where, "not given" if mode is None else repr(mode), "token (KubeRay 1.5.1 or newer)")


def _groups(file: ClusterFile) -> list[dict[str, object]]:
    return [
        mapping(file.content.get("headGroupSpec")),
        *map(mapping, items(file.content.get("workerGroupSpecs"))),
    ]


def _has_token(group: dict[str, object]) -> bool:
    """Whether the Ray container gets mode and token from its own environment."""
    ray = next(iter(containers(group)), {})
    environment = {entry.get("name"): entry for entry in map(mapping, items(ray.get("env")))}
    return environment.get("RAY_AUTH_MODE", {}).get("value") == "token" and "secretKeyRef" in mapping(
        environment.get("RAY_AUTH_TOKEN", {}).get("valueFrom")
    )
