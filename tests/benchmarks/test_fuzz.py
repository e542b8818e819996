"""Two thousand inputs for everything that respsweep reads; and each kind of fault is told, of readers that have it."""

import gc
import mmap
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzz
import fuzz_worker
import numpy as np
import pytest
from fuzz_inputs import Input
from fuzz_reader import Reader, WrongReadingError
from fuzz_readers import READERS

from data.errors import DataError

SEED = 20_261_129


@pytest.mark.slow
def test_two_thousand_inputs_are_read_right_or_refused_in_one_line_that_names_the_file() -> None:
    results = fuzz.fuzzed(fuzz.shares(list(READERS), 2000), SEED)
    faults = {
        f"--reader {name!r} --seed {SEED}, input {result.number}": (result.outcome, result.detail[-500:])
        for name, found in results.items()
        for result in found
        if result.outcome not in fuzz.ALLOWED
    }
    assert faults == {}
    every = [result for found in results.values() for result in found]
    assert len(every) >= 2000
    assert {"bytes", "tree", "values", "names", "entries", "meaning kept"} == {result.way for result in every}
    counts = Counter(result.outcome for result in every)
    assert min(counts["right"], counts["refused"]) > 300


def test_inputs_are_divided_by_weight_and_no_reader_goes_without() -> None:
    counts = fuzz.shares(list(READERS), 50_000)
    assert sum(counts.values()) >= 50_000
    assert counts["study files"] > counts["recordings"] > counts["folds"] > counts["checkpoints"] > 0
    assert min(fuzz.shares(list(READERS), 5).values()) == 1


def refuses(message: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        raise DataError(message.format(folder / "a.txt"))

    return read


def stumbles(folder: Path) -> Any:
    return {}["a"]


def is_wrong(folder: Path) -> Any:
    raise WrongReadingError("a rate of 97")


def hangs(folder: Path) -> Any:
    while True:
        # As readers of damaged files do.
        try:
            sum(range(1000))
        except Exception:
            return None


def takes_memory(folder: Path) -> Any:
    # Of the system, whatever of this process's memory other tests have left free.
    taken = np.frombuffer(mmap.mmap(-1, 64 << 20), dtype=np.uint8)
    taken.fill(1)
    return int(taken.sum())


def asks_for_too_much(folder: Path) -> Any:
    raise MemoryError


def ends_the_process(folder: Path) -> Any:
    os._exit(3)


def reads(folder: Path) -> Any:
    return (folder / "a.txt").read_bytes()


FAULTS: list[tuple[Callable[[Path], Any], str, str]] = [
    (reads, "right", ""),
    (refuses("{}: no sound"), "refused", "no sound"),
    (stumbles, "traceback", "KeyError: 'a'"),
    (is_wrong, "wrong", "a rate of 97"),
    (refuses("no sound"), "line", "does not name the file"),
    (refuses("{}: " + "x" * 1000), "refused", "x ... x"),
    (hangs, "time", "OutOfTimeError"),
    (takes_memory, "memory", "MiB"),
    (asks_for_too_much, "memory", "MemoryError"),
]


@pytest.mark.parametrize(("read", "outcome", "detail"), FAULTS)
def test_each_kind_of_fault_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], Any], outcome: str, detail: str
) -> None:
    monkeypatch.setattr(fuzz_worker, "SECONDS", 0.5 if read is hangs else 10.0)
    monkeypatch.setattr(fuzz_worker, "MEMORY", 32 << 20)
    (tmp_path / "a.txt").write_bytes(b"1")
    reader = Reader("planted", "text", ".*", lambda _: [{"a.txt": b"1"}], read)
    # What other tests left would count against what is taken here, were it let go of meanwhile.
    gc.collect()
    found = fuzz_worker.judged(reader, tmp_path, Input({}, "bytes", "a.txt", 0), None)
    assert found[0] == outcome, found[1]
    assert detail in found[1]


@pytest.mark.parametrize(
    ("read", "same", "outcome"),
    [(reads, False, "wrong"), (reads, True, "wrong"), (refuses("{}: no"), True, "wrong")],
)
def test_a_reading_that_is_not_what_was_written_is_wrong(
    tmp_path: Path, read: Callable[[Path], Any], same: bool, outcome: str
) -> None:
    (tmp_path / "a.txt").write_bytes(b"1")
    reader = Reader("planted", "text", ".*", lambda _: [{"a.txt": b"1"}], read)
    made = Input({}, "bytes", "a.txt", 0, same=same)
    assert fuzz_worker.judged(reader, tmp_path, made, (b"2",))[0] == outcome
    if read is reads:
        assert fuzz_worker.judged(reader, tmp_path, made, (b"1",))[0] == "right"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a.txt: broken", None),
        ("a.txt: broken\na.txt: very", None),
        ("a.txt: broken\nvery", "does not name the file: 'very'"),
        ("", "does not name the file: ''"),
        ("a.txt: " + "x" * 2000, "2007 characters"),
    ],
)
def test_every_line_is_short_and_names_the_file(text: str, complaint: str | None) -> None:
    found = fuzz_worker.bad_line(text, ["a.txt"])
    assert found == complaint or (complaint is not None and found is not None and complaint in found)


def test_an_input_that_ends_the_process_is_told_and_kept_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "readers_that_end.py"
    module.write_text(
        "import os\nfrom fuzz_reader import Reader\n"
        "def read(folder):\n"
        "    content = (folder / 'a.txt').read_bytes()\n"
        "    return os._exit(3) if len(content) < 8 else None\n"
        "READERS = {'ends': Reader('ends', 'text', '.*', lambda _: [{'a.txt': b'0123456789'}], read)}\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    results = fuzz.fuzzed({"ends": 6}, 2, failures=tmp_path / "kept", module="readers_that_end")["ends"]
    outcomes = Counter(result.outcome for result in results)
    assert outcomes == {"right": 5, "crash": 1}
    (first, *_) = [result for result in results if result.outcome == "crash"]
    assert first.detail == "the process died (status 3)"
    assert len((tmp_path / "kept" / f"ends-{first.number}" / "a.txt").read_bytes()) < 8
