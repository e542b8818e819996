"""A process that gives inputs to readers, one after the other, in bounds of time and memory, and says what came."""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import shutil
import signal
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench import memory
from fuzz_inputs import Input, make_input
from fuzz_reader import Files, Reader, WrongReadingError

from data.errors import UserError, one_line, shortened

SECONDS = 10.0
"""Of the processor, for one input."""
MEMORY = 1 << 30
"""Bytes that an input may add to what the process holds."""
ADDRESSES = 4 << 30
"""Bytes of address space beyond those of the process, so that a slip takes no machine down with it."""
LONGEST = 1500
"""Characters of a line that a person can be expected to read."""
CHANGED_NS = 1_700_000_000_000_000_000
"""When all files of inputs were changed, as the memory of digests knows it."""
OUTCOMES = ("right", "refused", "traceback", "wrong", "line", "time", "memory", "crash")
"""`right` and `refused` are what may come; `line`: a refusal or warning that is long, or does not name the file."""


@dataclass(frozen=True)
class Result:
    """What came of an input; `detail` says more where it is a fault."""

    number: int
    way: str
    outcome: str
    detail: str = ""
    seconds: float = 0.0
    memory: int = 0


class OutOfTimeError(BaseException):
    """Raised into a reader that takes too long; no `except Exception` of its own stops it."""


class Process:
    """Reads inputs of one reader after the other below a folder of its own."""

    def __init__(self, readers: dict[str, Reader], seed: int, folder: Path) -> None:
        self._readers = readers
        self._seed = seed
        self._case = folder / "case"
        self._seeds: dict[str, list[Files]] = {}
        self._readings: dict[tuple[str, int], Any] = {}

    def input(self, name: str, number: int) -> Input:
        return make_input(self._readers[name], self._seeds_of(name), self._seed, number)

    def read(self, name: str, number: int) -> Result:
        """Give a reader the input of a number, and judge what comes."""
        reader, made = self._readers[name], self.input(name, number)
        right = self._reading(name, made.origin) if made.same or made.way in reader.exact else None
        try:
            lay(made.files, self._case)
        except OSError as error:
            # A name that no file can have.
            return Result(number, made.way, "refused", str(error))
        outcome, detail, seconds, grown = judged(reader, self._case, made, right)
        return Result(number, made.way, outcome, detail, seconds, grown)

    def _seeds_of(self, name: str) -> list[Files]:
        if name not in self._seeds:
            reader = self._readers[name]
            # What a seed says of its files' places and times is true from the second time on.
            for _ in range(2):
                self._seeds[name] = reader.seeds(self._case)
                lay(self._seeds[name][0], self._case)
        return self._seeds[name]

    def _reading(self, name: str, origin: int) -> Any:
        """What a reader reads of a seed, in a tuple; None for a seed that it refuses."""
        if (name, origin) not in self._readings:
            lay(self._seeds_of(name)[origin], self._case)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    self._readings[name, origin] = (self._readers[name].read(self._case),)
            except Exception:
                self._readings[name, origin] = None
        return self._readings[name, origin]


def judged(
    reader: Reader, folder: Path, made: Input, right: tuple[Any] | None
) -> tuple[str, str, float, int]:
    """Let a reader read a folder: outcome, detail, seconds of the processor, and bytes that were added meanwhile."""
    names = [name.format(folder, file=folder / made.target) for name in reader.named]
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    began = time.process_time()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        outcome, detail = _outcome(reader, folder, names, right, refused_is_wrong=made.same)
    seconds = time.process_time() - began
    grown = memory("VmHWM") - before
    if outcome in ("right", "refused"):
        lines = [str(warning.message) for warning in said if warning.category is UserWarning]
        bad = next((found for line in lines if (found := bad_line(shortened(one_line(line)), ["/"]))), None)
        if bad is not None:
            outcome, detail = "line", f"a warning: {bad}"
        elif grown > MEMORY:
            outcome, detail = "memory", f"{grown >> 20} MiB"
    return outcome, detail, seconds, grown


def bad_line(text: str, names: list[str]) -> str | None:
    """Say what is wrong with what a person is told; None when each line is short and names the file."""
    for line in text.split("\n") or [""]:
        if len(line) > LONGEST:
            return f"{len(line)} characters: {line[:200]}"
        if not any(name in line for name in names):
            return f"does not name the file: {line[:300]!r}"
    return None


def _outcome(
    reader: Reader, folder: Path, names: list[str], right: tuple[Any] | None, *, refused_is_wrong: bool
) -> tuple[str, str]:
    try:
        with _within_time():
            found = reader.read(folder)
    except OutOfTimeError:
        return "time", _trace()
    except WrongReadingError as error:
        return "wrong", str(error)
    except UserError as error:
        said = str(error)
    except OSError as error:
        # As the command line does.
        if error.filename is None and error.errno is not None:
            return "traceback", _trace()
        said = str(error) if error.filename is None else one_line(f"{error.filename}: {error.strerror}")
    except MemoryError:
        return "memory", _trace()
    except Exception:
        return "traceback", _trace()
    else:
        if right is not None and found != right[0]:
            return "wrong", f"read {str(found)[:300]} instead of {str(right[0])[:300]}"
        return "right", ""
    if refused_is_wrong and right is not None:
        return "wrong", f"refused what means the same: {said[:300]}"
    bad = bad_line(said, [one_line(name) for name in names])
    return ("line", bad) if bad is not None else ("refused", said)


@contextlib.contextmanager
def _within_time() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _trace() -> str:
    return traceback.format_exc()


def lay(files: Files, folder: Path) -> None:
    """Write an input into a folder, and nothing else there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            continue
        path.write_bytes(content)
        os.utime(path, ns=(CHANGED_NS, CHANGED_NS))


def work(connection: Connection, module: str, seed: int, folder: Path) -> None:
    """Read inputs as they are asked for, (reader, number), until None comes; each is answered by its result.

    `module` names the module with the `READERS`.
    """
    process = Process(importlib.import_module(module).READERS, seed, folder)
    while (asked := connection.recv()) is not None:
        # Each time anew: what a reader imports takes addresses too.
        resource.setrlimit(resource.RLIMIT_AS, (memory("VmSize") + ADDRESSES, resource.RLIM_INFINITY))
        connection.send(process.read(*asked))
