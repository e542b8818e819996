"""A batch script for SLURM, as `sbatch` reads it."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path

from data.settings import ConfigError
from sweep.cluster.cluster_file import Capacity, ClusterFile, Command, NodeType
from sweep.cluster.slurm import GPUS

SHORT = {
    "A": "account",
    "J": "job-name",
    "N": "nodes",
    "a": "array",
    "c": "cpus-per-task",
    "d": "dependency",
    "n": "ntasks",
    "o": "output",
    "p": "partition",
    "t": "time",
}
"""Letters of sbatch's options, with their names."""
LONGEST = 1_000_000


def is_batch_script(path: Path) -> bool:
    """Whether a file is a script for sbatch, by its name or its `#SBATCH` lines."""
    with contextlib.suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8") as file:
        return path.suffix == ".sbatch" or "\n#SBATCH " in file.read(LONGEST)
    return False


def batch_script(path: Path) -> ClusterFile:
    """Read a script: the options of its `#SBATCH` lines by their long names, and its commands by line.

    Raises ConfigError for a file that cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    options: dict[str, str] = {}
    commands = []
    for number, line in enumerate(lines, start=1):
        if line.startswith("#SBATCH"):
            # sbatch reads no options below the first command.
            if not commands:
                options |= dict(_options(line.removeprefix("#SBATCH")))
        elif line.strip() and not line.lstrip().startswith("#"):
            commands.append(Command(f"line {number}", line, True, True))
    trains = any("cluster worker" in command.text for command in commands)
    shown = {command.where: command.text for command in commands}
    worker = NodeType("#SBATCH", "worker", False, False, _capacity(options))
    return ClusterFile(
        path=path,
        kind="slurm",
        provider="slurm",
        documents=[options, shown],
        content=options,
        root="",
        commands=commands,
        node_types=[worker] if trains else [NodeType("#SBATCH", "driver", True, False, Capacity())],
    )


def _options(text: str) -> Iterator[tuple[str, str]]:
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        words = text.split()
    waiting: str | None = None
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            waiting = None if equals else name
            yield name, value
        elif word.startswith("-") and len(word) > 1:
            name, value = SHORT.get(word[1], word[1]), word[2:]
            waiting = None if value else name
            yield name, value
        elif waiting is not None:
            yield waiting, word
            waiting = None


def _capacity(options: dict[str, str]) -> Capacity:
    cpus, gres = options.get("cpus-per-task", "1"), options.get("gres", "")
    gpus = [float(found["count"] or 1) for found in GPUS.finditer(gres)]
    named = "gpus" in options or any(name.startswith("gpus-per") for name in options)
    return Capacity(float(cpus) if cpus.isdigit() else None, None if named else sum(gpus))
