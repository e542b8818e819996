"""What `file_mounts` sends from this machine to the cluster."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from sweep.cluster.cluster_file import ClusterFile, items, mapping
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.surroundings import Surroundings

NEVER = {
    ".git": "the whole history",
    ".venv": "this machine's environment, 8 GB, which every machine builds for itself",
}
"""Folders that must stay here, and what they are."""
PARTS = "its parts by name, as in cluster.yaml: data, model, sweep, search_spaces and four files"
PRIVATE = "~/.aws", "~/.ssh", "~/.config/gcloud", "~/.kube", "~/.pgpass", "~/.netrc"


def files(file: ClusterFile, surroundings: Surroundings) -> Iterator[Finding]:
    """Whether each path is here, and nothing goes along that should not."""
    excluded = [str(pattern) for pattern in items(file.content.get("rsync_exclude"))]
    ignores = [str(name) for name in items(file.content.get("rsync_filter"))]
    for remote, written in mapping(file.content.get("file_mounts")).items():
        where = f"file_mounts.{remote}"
        if not isinstance(written, str):
            yield error(where, type(written).__name__, "a path of this machine")
            continue
        if any(written == private or written.startswith(f"{private}/") for private in PRIVATE):
            yield error(
                where, written, "nothing: every machine of the cluster would hold your own credentials"
            )
        local = surroundings.local_path(written)
        if not local.exists():
            # The token has a rule of its own, which says how to make one.
            if not written.endswith("auth_token"):
                yield error(
                    where,
                    f"{local}: not there",
                    "a path of this machine; a relative one begins where ray up is run",
                )
            continue
        if local.resolve() == surroundings.folder.resolve() or any((local / name).exists() for name in NEVER):
            yield warning(
                where, f"{written}: the whole clone, all of which Ray reads, what is excluded too", PARTS
            )
        for name, what in NEVER.items():
            ignored = name == ".venv" and ".gitignore" in ignores
            if (
                (local / name).exists()
                and not ignored
                and not any(_covers(pattern, name) for pattern in excluded)
            ):
                yield error(
                    "rsync_exclude", f"no {name}, so that {local / name} is synced", f"{name}: it is {what}"
                )
    if file.content.get("file_mounts_sync_continuously"):
        yield warning(
            "file_mounts_sync_continuously", "true", "false: code would change under a running study"
        )


def _covers(pattern: str, name: str) -> bool:
    """Whether an rsync pattern excludes a folder of this name at the top of what is synced."""
    core = pattern.removeprefix("**/").strip("/").removesuffix("/**")
    return fnmatch.fnmatchcase(name, core)
