"""Versions that a cluster installs, against those of the lock file and of this Python."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from sweep.cluster.cluster_file import ClusterFile, Command, leaves
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.shell import Call
from sweep.cluster.surroundings import Surroundings

PINNED = "ray", "torch", "torchaudio", "mlflow", "optuna"
"""Packages whose versions must be the same everywhere: they talk to each other, or write what others read."""
OLDEST_PYTHON = Version("3.11")
IMAGES = "image", "head_image", "worker_image"
RAY_IMAGE = re.compile(r"(?:.*/)?(?:rayproject/)?ray(?:-ml)?:(?P<tag>\S+)")
WHEEL = re.compile(r"/(?P<name>[\w.]+)-(?P<version>\d[^-/]*)-[^/]*\.whl")
PYTHONS = re.compile(r"\bpython(?:=|==)?(3\.\d+)\b|(?:-|\b)(?:py|cp)(3)(\d+)\b")


def versions(file: ClusterFile, surroundings: Surroundings) -> Iterator[Finding]:
    """Packages, images and Pythons that commands and fields name."""
    for command in file.commands:
        for call in command.calls:
            yield from _pip(command, call, surroundings)
    for where, image in _images(file):
        yield from _image(where, image, surroundings)
    yield from _pythons(file, surroundings)
    if file.kind == "launcher" and not _installs(file) and not any(_images(file)):
        yield warning(
            "setup_commands",
            "nothing installs respsweep",
            "cd ~/respsweep && make .venv/ready, on every machine",
        )


def ray_version(where: str, version: str | None, surroundings: Surroundings) -> Iterator[Finding]:
    """A field that names Ray's version, against the lock file."""
    locked = surroundings.pins["ray"]
    if version != locked:
        yield error(where, version or "not given", f"{locked}, as in requirements.lock")


def _pip(command: Command, call: Call, surroundings: Surroundings) -> Iterator[Finding]:
    if "install" not in call.words or not any(
        re.fullmatch(r"pip3?(\.\d+)?|pip|uv", _name(word)) for word in call.words
    ):
        return
    for word in call.words[call.words.index("install") + 1 :]:
        name, version = _requirement(word)
        if name not in PINNED or name not in surroundings.pins:
            continue
        locked = surroundings.pins[name]
        if version != locked:
            found = f"pip install {name}, " + ("unpinned" if version is None else f"version {version}")
            yield error(
                command.where, found, f"{name}=={locked}, as in requirements.lock, or make .venv/ready"
            )


def _requirement(word: str) -> tuple[str, str | None]:
    """Package, and its version if there is only one that the word allows."""
    if wheel := WHEEL.search(word):
        return wheel["name"].lower(), wheel["version"]
    try:
        requirement = Requirement(word)
    except InvalidRequirement:
        return "", None
    pins = [part.version for part in requirement.specifier if part.operator in ("==", "===")]
    return requirement.name.lower(), pins[0] if pins and "*" not in pins[0] else None


def _name(word: str) -> str:
    return word.rpartition("/")[2]


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
        yield error(
            where, image, "a tag that names a version, or a digest: this one changes under a running study"
        )
    elif ray := RAY_IMAGE.fullmatch(image):
        version = ray["tag"].partition("-")[0]
        try:
            Version(version)
        except InvalidVersion:
            return
        yield from ray_version(where, version, surroundings)


def _pythons(file: ClusterFile, surroundings: Surroundings) -> Iterator[Finding]:
    named: dict[str, str] = {}
    for where, text in [*((command.where, command.text) for command in file.commands), *_images(file)]:
        for dotted, major, minor in PYTHONS.findall(text):
            named.setdefault(dotted or f"{major}.{minor}", where)
    for python, where in named.items():
        if Version(python) < OLDEST_PYTHON:
            yield error(where, f"Python {python}", f"Python {OLDEST_PYTHON} or newer")
    if len(named) > 1:
        found = f"Python {' and '.join(sorted(named))}"
        yield error(
            next(iter(named.values())), found, "one Python for head and workers: Ray refuses to mix them"
        )
    elif named and (python := next(iter(named))) != surroundings.python:
        wanted = f"{surroundings.python}, as here, if you connect from this machine; on the head it does not matter"
        yield warning(named[python], f"Python {python}", wanted)


def _installs(file: ClusterFile) -> bool:
    return any(
        (call.program == "make" and ".venv/ready" in call.words)
        or "requirements.lock" in " ".join(call.words)
        for command in file.commands
        for call in command.calls
    )
