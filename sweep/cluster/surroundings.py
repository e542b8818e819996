"""What a cluster file is held against: this machine, the lock file, and what one unit of a study takes."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

LOCK = Path(__file__).parents[2] / "requirements.lock"


@dataclass(frozen=True)
class UnitNeeds:
    """Resources of one unit of the study in `source`, as its `resources:` says."""

    source: str
    cpu: float
    gpu: float


@dataclass(frozen=True)
class Surroundings:
    """This machine: `pins` are the lock file's versions, `python` the running one ("3.11"); paths begin at `folder`."""

    folder: Path
    home: Path
    environment: Mapping[str, str]
    pins: Mapping[str, str]
    python: str
    unit: UnitNeeds | None = None

    @classmethod
    def here(cls, unit: UnitNeeds | None = None) -> Surroundings:
        """Look at this process and its folder."""
        major, minor, *_ = platform.python_version_tuple()
        return cls(Path.cwd(), Path.home(), dict(os.environ), locked_versions(LOCK), f"{major}.{minor}", unit)

    def local_path(self, written: str) -> Path:
        """Read a path of this machine as Ray does: `~` is the home, and a relative path begins where `ray up` is run."""
        return self.folder / re.sub(r"^~(?=/|$)", str(self.home), written)


def kind_of(path: Path) -> Literal["file", "folder"] | None:
    """Tell what is at a path of this machine; None for nothing, also where no file can have such a name."""
    try:
        return "folder" if path.is_dir() else "file" if path.exists() else None
    except OSError:
        return None


def locked_versions(lock: Path) -> dict[str, str]:
    """Read the version of each package that a lock file pins."""
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ \\;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
