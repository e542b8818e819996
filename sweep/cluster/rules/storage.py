"""Where studies and recordings lie: on storage that head and workers share, and that can be locked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from sweep.cluster.cluster_file import ClusterFile, Command, items, mapping
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.shell import Call
from sweep.cluster.surroundings import Surroundings

OPTIONS = "--studies", "--data"
EXPORT = re.compile(r"(?<![\w./-])(/[\w./-]+)\s+[^\s(]{1,200}\([^)]{0,200}\brw\b")
"""A line of /etc/exports: folder, who may mount it, and how."""


def storage(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """Hold paths that commands give to respsweep against what is mounted, and look at how it is mounted."""
    declared = _declared(file)
    head, workers = declared | file.head_mounts, declared | file.worker_mounts
    for command in file.commands:
        if command.on_head and "exports" in command.text:
            head |= set(EXPORT.findall(command.text))
    for command, call in file.calls:
        head |= _mounted(call) if command.on_head else set()
        workers |= _mounted(call) if command.on_workers else set()
    yield from _unused(file, declared, head | workers)
    given = [
        (command, option, place)
        for command, call in file.calls_of("respsweep")
        for option in OPTIONS
        if (place := call.option(option))
    ]
    for command, option, place in given:
        roles = {"the head": head, "the workers": workers}
        missing = [role for role, folders in roles.items() if not _lies_in(place, folders)]
        if missing and "://" not in place:
            found = f"{option} {place}: not seen to be mounted on {' and '.join(missing)}"
            wanted = "a folder below a mount that all machines share, or an address such as s3://bucket/lab"
            hidden = file.provider == "local" and place.startswith("/")
            yield (warning if hidden else error)(command.where, found, wanted)
    if not workers and not given:
        where = "metadata.shared_storage" if file.kind == "launcher" else f"{file.root}workerGroupSpecs"
        wanted = "a mount on head and workers; its folder, if every machine mounts it by itself; or --studies s3://..."
        yield warning(where, "nothing here mounts storage that all machines share", wanted)
    for command, call in file.calls:
        yield from _mount_options(command, call)


def _declared(file: ClusterFile) -> set[str]:
    """List the folders that every machine mounts by itself, as the owner says."""
    declared = mapping(file.content.get("metadata")).get("shared_storage")
    return {declared} if isinstance(declared, str) else {str(folder) for folder in items(declared)}


def _unused(file: ClusterFile, declared: set[str], mounted: set[str]) -> Iterator[Finding]:
    """List folders that the owner declares and no command uses, while commands use folders that nothing mounts."""
    used = list(dict.fromkeys(place for _, call in file.calls for place in _written_to(call)))
    others = [place for place in used if not _lies_in(place, mounted)]
    for folder in declared:
        if others and not any(_lies_in(place, {folder}) for place in used):
            found = f"{folder}, which no command uses; they use {', '.join(others)}"
            wanted = "one folder in both, the one that every machine mounts"
            yield warning("metadata.shared_storage", found, wanted)


def _mounted(call: Call) -> set[str]:
    """Find the folder that a call mounts, or checks to be mounted."""
    folders = [word for word in call.words[1:] if word.startswith("/")]
    return set(folders[-1:]) if call.program in ("mount", "mountpoint", "findmnt", "mount.nfs4") else set()


def _written_to(call: Call) -> Iterator[str]:
    """List the absolute paths of folders that a call makes, or lets respsweep write to."""
    words = call.words if call.program == "mkdir" or call.is_call_of("install", "-d") else ()
    if call.program == "respsweep":
        words = [call.option(option) or "" for option in (*OPTIONS, "--artifacts")]
    yield from (word for word in words if word.startswith("/"))


def _lies_in(place: str, folders: set[str]) -> bool:
    return any(PurePosixPath(place).is_relative_to(folder) for folder in folders)


def _mount_options(command: Command, call: Call) -> Iterator[Finding]:
    if not call.program.startswith("mount") or not any("nfs" in word for word in call.words):
        return
    options = {option for word in call.words for option in word.split(",")}
    if "soft" in options:
        wanted = "hard: a write may fail half-way when the server is away"
        yield error(command.where, "NFS mounted soft", wanted)
    if "nolock" in options or any(re.match(r"(nfs)?vers=[23]", option) for option in options):
        wanted = "nfsvers=4.1 or newer: a study is locked"
        yield error(command.where, "NFS without the locks of version 4", wanted)
