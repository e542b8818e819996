"""Where studies and recordings lie: on storage that head and workers share, and that can be locked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from sweep.cluster.cluster_file import ClusterFile, Command
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.shell import Call
from sweep.cluster.surroundings import Surroundings

OPTIONS = "--studies", "--data"
EXPORT = re.compile(r"(/[\w./-]+)\s+[^\s(]+\([^)]*\brw\b")
"""A line of /etc/exports: folder, who may mount it, and how."""


def storage(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """Paths that commands give to respsweep, against what is mounted; and how it is mounted."""
    declared = _declared(file)
    head, workers = declared | file.head_mounts, declared | file.worker_mounts
    for command in file.commands:
        mounted, exported = _folders(command)
        head |= (mounted | exported) if command.on_head else set()
        workers |= mounted if command.on_workers else set()
    yield from _declared_elsewhere(file, declared, head | workers)
    for command in file.commands:
        for call in command.calls:
            yield from _mount_options(command, call)
            if call.program == "respsweep":
                yield from _used(file, command, call, head, workers)
    if not workers and not _paths(file):
        yield warning(
            "metadata.shared_storage" if file.kind == "launcher" else f"{file.root}workerGroupSpecs",
            "nothing here mounts storage that all machines share",
            "a mount on head and workers; its folder, if every machine mounts it by itself; or --studies s3://...",
        )


def _declared(file: ClusterFile) -> set[str]:
    """Folders that the owner says every machine mounts by itself."""
    metadata = file.content.get("metadata")
    declared = metadata.get("shared_storage", []) if isinstance(metadata, dict) else []
    return {str(folder) for folder in ([declared] if isinstance(declared, str) else declared)}


def _declared_elsewhere(file: ClusterFile, declared: set[str], mounted: set[str]) -> Iterator[Finding]:
    """Folders that the owner declares and no command uses, while commands use others that nothing mounts."""
    used = {place: None for command in file.commands for call in command.calls for place in _storage_of(call)}
    other = [place for place in used if not _lies_in(place, mounted)]
    for folder in sorted(declared):
        if other and not any(_lies_in(place, {folder}) for place in used):
            found = f"{folder}, which no command uses; they use {', '.join(other)}"
            yield warning(
                "metadata.shared_storage", found, "one folder in both, the one that every machine mounts"
            )


def _storage_of(call: Call) -> list[str]:
    """Absolute paths of folders that a call makes, or lets respsweep write to."""
    if call.program == "mkdir" or call.is_call_of("install", "-d"):
        return [word for word in call.words if word.startswith("/")]
    if call.program == "respsweep":
        places = [call.option(option) for option in (*OPTIONS, "--artifacts")]
        return [place for place in places if place and place.startswith("/")]
    return []


def _folders(command: Command) -> tuple[set[str], set[str]]:
    """Folders that a command mounts, or sees that they are mounted; and those that it exports."""
    mounted = {
        paths[-1]
        for call in command.calls
        if call.program in ("mount", "mountpoint", "findmnt", "mount.nfs4")
        and (paths := [word for word in call.words[1:] if word.startswith("/")])
    }
    exported = set(EXPORT.findall(command.text)) if "exports" in command.text else set()
    return mounted, exported


def _used(
    file: ClusterFile, command: Command, call: Call, head: set[str], workers: set[str]
) -> Iterator[Finding]:
    for option in OPTIONS:
        place = call.option(option)
        if not place or "://" in place:
            continue
        missing = [
            name for name, folders in (("head", head), ("workers", workers)) if not _lies_in(place, folders)
        ]
        if missing:
            found = f"{option} {place}: not seen to be mounted on the {' and the '.join(missing)}"
            wanted = "a folder below a mount that all machines share, or an address such as s3://bucket/lab"
            hidden = file.provider == "local" and place.startswith("/")
            yield (warning if hidden else error)(command.where, found, wanted)


def _paths(file: ClusterFile) -> list[str]:
    return [
        place
        for _, call in file.calls_of("respsweep")
        for option in OPTIONS
        if (place := call.option(option))
    ]


def _lies_in(place: str, folders: set[str]) -> bool:
    path = PurePosixPath(place)
    return any(path == PurePosixPath(folder) or PurePosixPath(folder) in path.parents for folder in folders)


def _mount_options(command: Command, call: Call) -> Iterator[Finding]:
    if not call.program.startswith("mount") or not any("nfs" in word for word in call.words):
        return
    options = {option for word in call.words if "=" in word or "," in word for option in word.split(",")}
    if "soft" in options or "soft" in call.words:
        yield error(
            command.where, "NFS mounted soft", "hard: a write may fail half-way when the server is away"
        )
    versions = {option.split("=")[1] for option in options if option.startswith(("vers=", "nfsvers="))}
    if any(version.startswith(("2", "3")) for version in versions) or "nolock" in options:
        yield error(
            command.where, "NFS without the locks of version 4", "nfsvers=4.1 or newer: a study is locked"
        )
