"""Versions that a cluster installs, against those of the lock file and of this Python."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from sweep.cluster.cluster_file import ClusterFile, leaves
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.shell import Call
from sweep.cluster.surroundings import Surroundings

PINNED = "ray", "torch", "torchaudio", "mlflow", "optuna"
"""Packages whose versions must be the same everywhere: they talk to each other, or write what others read."""
OLDEST_PYTHON = Version("3.11")
IMAGES = "image", "head_image", "worker_image"
RAY_IMAGE = re.compile(r"(?:.*/)?(?:rayproject/)?ray(?:-ml)?:(?P<version>\d[\w.]*)\S*")
WHEEL = re.compile(r"/(?P<name>[\w.]+)-(?P<version>\d[^-/]*)-[^/]*\.whl")
PYTHONS = re.compile(r"\bpython(?:=|==)?(3\.\d+)\b|(?:-|\b)(?:py|cp)(3)(\d+)\b")


def versions(file: ClusterFile, surroundings: Surroundings) -> Iterator[Finding]:
    """Hold packages, images and Pythons that commands and fields name against the lock file and this Python."""
    images = list(_images(file))
    for command, call in file.calls:
        yield from _pip(command.where, call, surroundings)
    for where, image in images:
        yield from _image(where, image, surroundings)
    if file.kind == "kuberay":
        yield from _ray_version(f"{file.root}rayVersion", file.content.get("rayVersion"), surroundings)
    yield from _pythons([*((each.where, each.text) for each in file.commands), *images], surroundings)
    if file.kind == "launcher" and not images and not any(_installs(call) for _, call in file.calls):
        wanted = "cd ~/respsweep && make .venv/ready, on every machine"
        yield warning("setup_commands", "nothing installs respsweep", wanted)


def _ray_version(where: str, version: str | None, surroundings: Surroundings) -> Iterator[Finding]:
    if version != (locked := surroundings.pins["ray"]):
        yield error(where, str(version or "not given"), f"{locked}, as in requirements.lock")


def _pip(where: str, call: Call, surroundings: Surroundings) -> Iterator[Finding]:
    programs = {word.rpartition("/")[2] for word in call.words}
    if "install" not in call.words or not any(re.fullmatch(r"pip[\d.]*|uv", name) for name in programs):
        return
    for name, version in map(_requirement, call.words[call.words.index("install") + 1 :]):
        locked = surroundings.pins.get(name)
        if name in PINNED and locked is not None and version != locked:
            found = f"pip install {name}, " + ("unpinned" if version is None else f"version {version}")
            wanted = f"{name}=={locked}, as in requirements.lock, or make .venv/ready"
            yield error(where, found, wanted)


def _requirement(word: str) -> tuple[str, str | None]:
    """Read a requirement: the package, and its version if the word allows only one."""
    if wheel := WHEEL.search(word):
        return wheel["name"].lower(), wheel["version"]
    try:
        requirement = Requirement(word)
    except InvalidRequirement:
        return "", None
    pins = [part.version for part in requirement.specifier if part.operator in ("==", "===")]
    return requirement.name.lower(), pins[0] if pins and "*" not in pins[0] else None


def _images(file: ClusterFile) -> Iterator[tuple[str, str]]:
    for where, value in leaves(file.content, file.root.rstrip(".")):
        *parents, key = where.split(".")
        if isinstance(value, str) and key in IMAGES and {"docker", "containers"} & set(parents):
            yield where, value


def _image(where: str, image: str, surroundings: Surroundings) -> Iterator[Finding]:
    tag = image.rpartition("/")[2].partition(":")[2]
    if "@sha256:" in image:
        return
    if not tag or tag.startswith(("latest", "nightly")):
        wanted = "a tag that names a version, or a digest: this one changes under a running study"
        yield error(where, image, wanted)
    elif ray := RAY_IMAGE.fullmatch(image):
        yield from _ray_version(where, ray["version"], surroundings)


def _pythons(texts: list[tuple[str, str]], surroundings: Surroundings) -> Iterator[Finding]:
    named: dict[str, str] = {}
    for where, text in texts:
        for dotted, major, minor in PYTHONS.findall(text):
            named.setdefault(dotted or f"{major}.{minor}", where)
    for python, where in named.items():
        if Version(python) < OLDEST_PYTHON:
            yield error(where, f"Python {python}", f"Python {OLDEST_PYTHON} or newer")
    if len(named) > 1:
        wanted = "one Python for head and workers: Ray refuses to mix them"
        yield error(next(iter(named.values())), f"Python {' and '.join(sorted(named))}", wanted)
    elif named and (python := next(iter(named))) != surroundings.python:
        wanted = f"{surroundings.python}, as here, if you connect from this machine; on the head it does not matter"
        yield warning(named[python], f"Python {python}", wanted)


def _installs(call: Call) -> bool:
    makes = call.program == "make" and ".venv/ready" in call.words
    return makes or any("requirements.lock" in word for word in call.words)
