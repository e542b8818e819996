"""Damaged, foreign and made-up inputs for everything that respsweep reads, and what came of them.

    .venv/bin/python benchmarks/fuzz.py --inputs 50000 --seed 1
    .venv/bin/python benchmarks/fuzz.py --reader recordings --inputs 2000
    .venv/bin/python benchmarks/fuzz.py --reader recordings --replay fuzz-failures/recordings-17

An input may be read right, or refused in one line that names the file, within 10 s of the processor and 1 GB of memory.
Prints a row for each reader, and exits with 1 when there was anything else; such inputs are kept in a folder.
"""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Self

import bench
import torch
import typer
from fuzz_inputs import Input
from fuzz_readers import READERS
from fuzz_worker import OUTCOMES, Result, judged, lay, work

PATIENCE_S = 300.0
"""Real time for an input: a reader that hangs in foreign code cannot be stopped from inside its process."""
ALLOWED = ("right", "refused")
SHOWN = 5
"""Inputs of one kind of fault that are kept of a reader."""


def main(
    inputs: Annotated[int, typer.Option(min=1, help="Inputs of all readers together.")] = 50_000,
    seed: Annotated[int, typer.Option(help="Inputs follow from it.")] = 1,
    reader: Annotated[list[str] | None, typer.Option(help="A reader by name; may be given again.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Readers at a time.")] = 1,
    failures: Annotated[Path, typer.Option(help="Folder for inputs that went wrong.")] = Path(
        "fuzz-failures"
    ),
    replay: Annotated[Path | None, typer.Option(help="Folder of one input, to be read once more.")] = None,
) -> None:
    """Read inputs, and print what came of them."""
    unknown = [name for name in reader or () if name not in READERS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]}: no such reader; there are {', '.join(READERS)}")
    if replay is not None:
        raise typer.Exit(_replay(replay, reader))
    bench.print_machine(torch.device("cpu"))
    results = fuzzed(shares(reader or list(READERS), inputs), seed, failures=failures, processes=processes)
    raise typer.Exit(_told(results, failures))


def shares(names: Sequence[str], inputs: int) -> dict[str, int]:
    """Divide inputs among readers by their weights; none goes without."""
    total = sum(READERS[name].weight for name in names)
    counts = {name: max(1, int(inputs * READERS[name].weight / total)) for name in names}
    counts[names[0]] += max(0, inputs - sum(counts.values()))
    return counts


def fuzzed(
    counts: Mapping[str, int],
    seed: int,
    *,
    failures: Path | None = None,
    processes: int = 1,
    module: str = "fuzz_readers",
) -> dict[str, list[Result]]:
    """Let each reader read its number of inputs, `processes` readers at a time; failing inputs go to a folder."""
    left = iter(list(counts.items()))
    found: dict[str, list[Result]] = {}

    def go_through() -> None:
        with ReadingProcess(module, seed) as process:
            for name, count in left:
                found[name] = [*_results(process, name, count, failures)]

    with ThreadPoolExecutor(processes) as pool:
        for done in [pool.submit(go_through) for _ in range(processes)]:
            done.result()
    return {name: found[name] for name in counts}


class ReadingProcess:
    """A process that reads inputs (`fuzz_worker.work`), started anew after one that ended it, or in which it hung."""

    def __init__(self, module: str, seed: int) -> None:
        self._arguments = module, seed
        self._folder = tempfile.TemporaryDirectory(prefix="fuzz-")
        self._process: Any = None
        self.case = Path(self._folder.name) / "case"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._folder.cleanup()

    def read(self, name: str, number: int) -> Result:
        """Let a reader read the input of a number; `crash` where no answer comes."""
        if self._process is None:
            self._start()
        try:
            self._connection.send((name, number))
            if self._connection.poll(PATIENCE_S):
                return self._connection.recv()
            why = f"no answer within {PATIENCE_S:.0f} s"
        except (EOFError, OSError):
            self._process.join()
            why = f"the process died (status {self._process.exitcode})"
        self._stop()
        return Result(number, "", "crash", why)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, there = context.Pipe()
        arguments = (there, *self._arguments, self.case.parent)
        self._process = context.Process(target=work, args=arguments, daemon=True)
        self._process.start()
        there.close()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None


def _results(process: ReadingProcess, name: str, count: int, failures: Path | None) -> Iterator[Result]:
    kept: Counter[str] = Counter()
    for number in range(count):
        result = process.read(name, number)
        if result.outcome not in ALLOWED and failures is not None:
            kept[result.outcome] += 1
            if kept[result.outcome] <= SHOWN:
                _keep(process.case, failures / f"{name}-{number}", result)
        yield result


def _keep(case: Path, place: Path, result: Result) -> None:
    """Copy an input, as it lies before its reader, with what came of it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(case, place, symlinks=True)
    place.with_name(f"{place.name}.txt").write_text(
        f"{result.outcome}, made by {result.way or '?'}\n\n{result.detail}\n",
        encoding="utf-8",
        errors="backslashreplace",
    )


def _replay(place: Path, names: Sequence[str] | None) -> int:
    if not names or len(names) != 1:
        raise typer.BadParameter("--replay needs the one --reader")
    reader = READERS[names[0]]
    files = {
        path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()
    }
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        lay(files, Path(folder) / "case")
        made = Input(files, "replay", "", 0)
        outcome, detail, seconds, grown = judged(reader, Path(folder) / "case", made, None)
    print(f"{outcome}, {seconds:.2f} s, {grown >> 20} MiB\n{detail}")
    return int(outcome not in ALLOWED)


def _told(results: Mapping[str, Sequence[Result]], failures: Path) -> int:
    every = [result for found in results.values() for result in found]
    rows = []
    for name, found in [*results.items(), ("all", every)]:
        count = Counter(result.outcome for result in found)
        slowest = max(result.seconds for result in found)
        most = max(result.memory for result in found)
        rows.append(
            (name, len(found), *(count[outcome] for outcome in OUTCOMES), f"{slowest:.1f}", bench.mib(most))
        )
    bench.print_table(("reader", "inputs", *OUTCOMES, "most s", "most MiB"), rows)
    ways: dict[str, Counter[str]] = defaultdict(Counter)
    for result in every:
        ways[result.way or "?"][result.outcome] += 1
    bench.print_table(
        ("made by", "inputs", *OUTCOMES),
        [
            (way, count.total(), *(count[outcome] for outcome in OUTCOMES))
            for way, count in sorted(ways.items())
        ],
    )
    bad = sum(result.outcome not in ALLOWED for result in every)
    print(f"\n{len(every)} inputs, {bad} faults" + (f"; inputs in {failures}" if bad else ""))
    return int(bad > 0)


if __name__ == "__main__":
    typer.run(main)
