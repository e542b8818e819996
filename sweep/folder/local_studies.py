"""The studies in a folder of this machine, by name, without reading any; needs no library."""

from __future__ import annotations

from pathlib import Path


def local_path(studies: Path | str) -> Path:
    """The folder that a user means; `~/` is the home folder, and `~name/` stays as it is."""
    return Path(studies).expanduser() if Path(studies).parts[:1] == ("~",) else Path(studies)


def local_studies(studies: Path | str) -> list[str]:
    """List the studies in a folder by name, sorted; none where there is no such folder."""
    return sorted(path.parent.name for path in local_path(studies).glob("[!.]*/study.yaml"))
