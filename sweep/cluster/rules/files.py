"""What `file_mounts` sends from this machine to the cluster."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from sweep.cluster.cluster_file import ClusterFile, items, mapping
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.surroundings import Surroundings, kind_of

NEVER = {
    ".git": "the whole history",
    ".venv": "this machine's environment, 8 GB, which every machine builds for itself",
}
"""Folders that must stay here, and what they are."""
PARTS = "its parts by name, as in cluster.yaml: data, evidence, model, sweep, search_spaces and four files"
PRIVATE = "~/.aws", "~/.ssh", "~/.config/gcloud", "~/.kube", "~/.pgpass", "~/.netrc"


def files(file: ClusterFile, surroundings: Surroundings) -> Iterator[Finding]:
    """Find paths that are not here, and folders that go along and should not."""
    excluded = [str(pattern) for pattern in items(file.content.get("rsync_exclude"))]
    ignored = {".venv"} if ".gitignore" in items(file.content.get("rsync_filter")) else set()
    for remote, written in mapping(file.content.get("file_mounts")).items():
        where, local = f"file_mounts.{remote}", surroundings.local_path(str(written))
        there = kind_of(local)
        if any(local.is_relative_to(surroundings.local_path(private)) for private in PRIVATE):
            wanted = "nothing: every machine of the cluster would hold your own credentials"
            yield error(where, str(written), wanted)
        # The token has a rule of its own, which says how to make one.
        if not isinstance(written, str) or (there is None and local.name != "auth_token"):
            wanted = "a path of this machine; a relative one begins where ray up is run"
            yield error(where, f"{local}: not there", wanted)
        here = {name for name in NEVER if kind_of(local / name) is not None}
        if here or (there is not None and local.resolve() == surroundings.folder.resolve()):
            found = f"{written}: the whole clone, all of which Ray reads, what is excluded too"
            yield warning(where, found, PARTS)
        for name in sorted(here - ignored):
            if not any(_covers(pattern, name) for pattern in excluded):
                found = f"no {name}, so that {local / name} is synced"
                yield error("rsync_exclude", found, f"{name}: it is {NEVER[name]}")
    if file.content.get("file_mounts_sync_continuously"):
        wanted = "false: code would change under a running study"
        yield warning("file_mounts_sync_continuously", "true", wanted)


def _covers(pattern: str, name: str) -> bool:
    """Whether an rsync pattern excludes a folder of this name at the top of the synced folder."""
    core = pattern.removeprefix("**/").strip("/").removesuffix("/**")
    return fnmatch.fnmatchcase(name, core)
