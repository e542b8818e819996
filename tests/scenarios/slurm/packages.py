"""SLURM as Debian packs it, unpacked into a folder of this user's cache: nothing is installed on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.apt import apt_get

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "respsweep-tests" / "slurm"
PACKAGES = ("slurmctld", "slurmd", "slurm-client")


class NoSlurm(RuntimeError):
    """SLURM's packages are not to be had here; the message says why."""


def unpacked_slurm() -> Path:
    """The folder with SLURM's `usr` and `etc`, and with those libraries that this machine lacks.

    The first call downloads about 4 MB with apt; later ones find the folder. Raises NoSlurm without apt, without its
    servers, and where what was unpacked does not run on this machine.
    """
    tree = CACHE / "tree"
    if not tree.exists():
        _download()
        fresh = CACHE / f"tree-of-{os.getpid()}"
        for package in sorted((CACHE / "archives").glob("*.deb")):
            _run("dpkg", "-x", str(package), str(fresh))
        for daemon in (fresh / "usr" / "sbin").glob("slurm*-wlm"):  # what Debian's alternatives would do
            daemon.with_name(daemon.name.removesuffix("-wlm")).symlink_to(daemon.name)
        fresh.rename(tree)
    _run(*in_its_place(tree), "ldd /usr/sbin/slurmd | grep 'not found' && exit 1; slurmd -V")
    return tree


def in_its_place(tree: Path) -> list[str]:
    """In front of a line of shell: a mount namespace in which `tree` is laid over /usr."""
    mounts = f"mount --make-rprivate / && {overlay(tree / 'usr', '/usr')}"
    return ["unshare", "--mount", "bash", "-c", f'{mounts} && eval "$0"']


def overlay(above: Path, below: str) -> str:
    """The command that lays a folder over one of the system: what either has is seen, nothing can be written."""
    return f"mount -t overlay overlay -o lowerdir={above}:{below} {below}"


def _download() -> None:
    """All packages that SLURM needs and that are not installed here, into the cache. Raises NoSlurm."""
    for command in ("apt-get", "dpkg"):
        if shutil.which(command) is None:
            raise NoSlurm(f"no {command} here, which brings SLURM")
    archives = CACHE / "archives"
    shutil.rmtree(archives, ignore_errors=True)
    (archives / "partial").mkdir(parents=True)
    _apt_get("update", "-q")
    choice = ("--download-only", "--no-install-recommends", "-o", f"Dir::Cache::archives={archives}")
    _apt_get("install", "-y", "-q", *choice, "-o", "APT::Sandbox::User=root", *PACKAGES)


def _apt_get(*arguments: str) -> None:
    _ended_well(lambda: apt_get(*arguments), f"apt-get {arguments[0]}")


def _run(*command: str) -> None:
    run = partial(subprocess.run, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    _ended_well(lambda: run(command), " ".join(command[:2]))


def _ended_well(run: Callable[[], subprocess.CompletedProcess[str]], called: str) -> None:
    try:
        done = run()
    except subprocess.TimeoutExpired as error:
        raise NoSlurm(f"SLURM is not to be had here: {called} did not end") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-300:]
        raise NoSlurm(f"SLURM is not to be had here: {called}: {said}")
