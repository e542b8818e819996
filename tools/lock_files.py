"""What the lock files pin: name, version, the machines that it is for, and the check sums of its files."""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-cluster.lock", "requirements-dev.lock")
"""To run, for clusters, to develop; each without what the ones before hold."""


@dataclass(frozen=True)
class Pinned:
    """A package of a lock file. `hashes` are SHA-256 (hex) of its files; `here`: it is meant for this machine."""

    name: str
    version: str
    lock: str
    hashes: tuple[str, ...]
    here: bool


def pinned(folder: Path = ROOT) -> list[Pinned]:
    """Read the packages of all lock files in a folder, in their order. Raises ValueError for a line without hashes."""
    found = []
    for lock in LOCKS:
        text = (folder / lock).read_text(encoding="utf-8").replace("\\\n", " ")
        for line in filter(None, text.splitlines()):
            asked, *hashes = re.split(r"\s+--hash=sha256:", line)
            requirement = Requirement(asked)
            (version,) = requirement.specifier
            if version.operator != "==" or not hashes:
                raise ValueError(f"{lock}: {asked}: expected NAME==VERSION with hashes")
            marker = requirement.marker
            name = canonicalize_name(requirement.name)
            here = marker is None or marker.evaluate()
            found.append(Pinned(name, version.version, lock, tuple(map(str.strip, hashes)), here))
    return found


def metadata_of(package: Pinned) -> importlib.metadata.PackageMetadata | None:
    """What the installed package says of itself; None where it, or this version of it, is not installed."""
    try:
        found = importlib.metadata.distribution(package.name)
    except importlib.metadata.PackageNotFoundError:
        return None
    return found.metadata if found.version == package.version else None
