"""What computing a feature store costs, beside the work that cannot be left out.

    .venv/bin/python benchmarks/features.py                      synthetic breaths
    .venv/bin/python benchmarks/features.py DIR [DIR ...]        recordings in ICBHI's layout, a split file is not needed

The floor is what decoding (soundfile), resampling and the filter bank (torchaudio) take in one thread, divided by the
cores. The store is built from nothing each round, on all cores: digests of the files, features, writing, index, fsync.
Exits with 1 when a bar is missed: the median over the rounds of wall time over floor is at most `MOST_OVER_FLOOR`. The
three steps by our own functions are timed too, and the rest: fade, cut, repeat, normalise. Wall time over our own three
steps divided by the cores says what the rest, the disk and the threads cost.

A thread loses less to other work on the machine than all cores do, so rounds in which others took more than
`MOST_FOR_OTHERS` of the cores do not count, unless there are no others; the table says how many do.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import bench
import soundfile
import torch
import torchaudio.functional
import typer
from torchaudio.compliance import kaldi

from data.audio import cut_cycle, fade, pad_cycle, read_recording, resample
from data.dataset import DataSet, Recording
from data.features import log_mel, normalise
from data.icbhi import read_icbhi
from data.recipe_parts import FeatureConfig
from data.store import build_store
from data.synthetic import write_breaths

MOST_OVER_FLOOR = 1.3
MOST_FOR_OTHERS = 0.05
STEPS = ("decode", "resample", "log-mel")
CORES = len(os.sched_getaffinity(0))
HEAD = (
    "recordings, cycles, minutes|libraries: decode, resample, log-mel ms|ours, and the rest ms|floor s|wall s, all cores"
    "|over floor|over our own three|rounds that count"
)


def main(
    folders: Annotated[list[Path] | None, typer.Argument(help="Recordings; none: synthetic breaths.")] = None,
    recordings: Annotated[int, typer.Option(help="At most so many of each folder.")] = 72,
    repeats: Annotated[int, typer.Option(help="Undisturbed rounds, of which the median counts.")] = 5,
    tries: Annotated[int, typer.Option(help="Rounds at most, disturbed ones included.")] = 15,
    storage: Annotated[str, typer.Option(help="float32 or float16")] = "float32",
) -> None:
    bench.print_machine(torch.device("cpu"))
    config = FeatureConfig.model_validate({"storage": storage})
    rows, missed = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for name, folder in _folders(folders or [], Path(scratch)):
            data = _as_training_part(folder, recordings, Path(scratch) / f"linked-{name}")
            rounds = list(_rounds(data, config, repeats, tries, Path(scratch) / f"cache-{name}"))
            quiet = [one for one in rounds if one.others <= MOST_FOR_OTHERS] or rounds
            rows.append(_row(name, data, quiet, len(rounds)))
            over_floor = statistics.median(one.wall / one.floor for one in quiet)
            if over_floor > MOST_OVER_FLOOR:
                missed.append(f"{name}: {over_floor:.2f} times the floor; the bar is {MOST_OVER_FLOOR}")
    print(f"\nms a cycle in one thread; the build on {CORES} cores; median (least to most)")
    bench.print_table(HEAD.split("|"), rows)
    raise typer.Exit(bench.verdict(missed))


@dataclass(frozen=True)
class Round:
    """Seconds in one thread for each step of the libraries and of ours, and of the build.

    `others` is the share of all cores that other processes took.
    """

    library: dict[str, float]
    own: dict[str, float]
    wall: float
    others: float

    @property
    def floor(self) -> float:
        return sum(self.library[step] for step in STEPS) / CORES

    @property
    def own_three(self) -> float:
        return sum(self.own[step] for step in STEPS) / CORES


def _rounds(data: DataSet, config: FeatureConfig, repeats: int, tries: int, cache: Path) -> Iterator[Round]:
    quiet = 0
    for number in range(-1, tries):
        machine, began, processor = _busy(), time.perf_counter(), time.process_time()
        library, own = _one_thread(data.recordings, config)
        started = time.perf_counter()
        build_store(data, config, part="train", cache=cache / str(number), progress=False)
        ended = time.perf_counter()
        others = _busy() - machine - (time.process_time() - processor)
        one = Round(library, own, ended - started, others / (CORES * (ended - began)))
        if number >= 0:
            yield one
            quiet += one.others <= MOST_FOR_OTHERS
            if quiet == repeats:
                break


def _one_thread(
    recordings: tuple[Recording, ...], config: FeatureConfig
) -> tuple[dict[str, float], dict[str, float]]:
    """Time each step in one thread, in seconds, with the libraries' functions and with ours."""
    library: dict[str, float] = defaultdict(float)
    own: dict[str, float] = defaultdict(float)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(1)
    rate = config.sample_rate
    for recording in recordings:
        with _timed(library, "decode"):
            soundfile.read(recording.path, dtype="float32")
        with _timed(own, "decode"):
            recorded, native_rate = read_recording(recording.path)
        with _timed(library, "resample"):
            torchaudio.functional.resample(recorded, native_rate, rate)
        with _timed(own, "resample"):
            wave = resample(recorded, native_rate, rate)
        with _timed(own, "rest"):
            wave = fade(wave, rate)
        for cycle in recording.cycles:
            with _timed(own, "rest"):
                clip = pad_cycle(cut_cycle(wave, rate, cycle.start_s, cycle.end_s), rate, config.duration_s)
            with _timed(library, "log-mel"):
                _library_log_mel(clip, config)
            with _timed(own, "log-mel"):
                features = log_mel(clip, config)
            with _timed(own, "rest"):
                normalise(features, config.norm)
    torch.set_num_threads(threads_before)
    return library, own


def _library_log_mel(clip: torch.Tensor, config: FeatureConfig) -> torch.Tensor:
    return kaldi.fbank(
        clip,
        sample_frequency=config.sample_rate,
        frame_length=config.frame_length_ms,
        frame_shift=config.frame_shift_ms,
        num_mel_bins=config.n_mels,
        low_freq=config.low_hz,
        window_type="hanning",
        use_energy=False,
    )


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[step] += time.perf_counter() - started


def _row(name: str, data: DataSet, quiet: list[Round], tried: int) -> list[str]:
    cycles = sum(len(recording.cycles) for recording in data.recordings)
    minutes = sum(recording.duration_s for recording in data.recordings) / 60

    def each(times: list[dict[str, float]], steps: tuple[str, ...]) -> str:
        milliseconds = (1e3 / cycles * statistics.median(one[step] for one in times) for step in steps)
        return ", ".join(map(bench.number, milliseconds))

    return [
        f"{name}: {len(data.recordings)}, {cycles}, {minutes:.0f}",
        each([one.library for one in quiet], STEPS),
        each([one.own for one in quiet], (*STEPS, "rest")),
        bench.Timing(tuple(one.floor for one in quiet)).cell(),
        bench.Timing(tuple(one.wall for one in quiet)).cell(),
        bench.Timing(tuple(one.wall / one.floor for one in quiet)).cell(),
        bench.Timing(tuple(one.wall / one.own_three for one in quiet)).cell(),
        f"{sum(one.others <= MOST_FOR_OTHERS for one in quiet)} quiet of {tried}",
    ]


def _busy() -> float:
    """Seconds of processor time that this machine has spent so far, in all processes; 0 where it does not say."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system, _, _, irq, soft_irq, *_ = map(int, stat.read_text().splitlines()[0].split()[1:])
    return (user + nice + system + irq + soft_irq) / os.sysconf("SC_CLK_TCK")


def _folders(folders: list[Path], scratch: Path) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        yield folder.resolve().name, folder
    if not folders:
        write_breaths(scratch / "synthetic", patients=24)
        yield "synthetic", scratch / "synthetic"


def _as_training_part(folder: Path, most: int, linked: Path) -> DataSet:
    """Link the first recordings of a folder into another folder, whose split calls all of them train."""
    linked.mkdir()
    audio = sorted(path for path in folder.iterdir() if path.suffix in (".wav", ".flac"))[:most]
    for path in (file for one in audio for file in (one, one.with_suffix(".txt"))):
        (linked / path.name).symlink_to(path.resolve())
    (linked / "official_split.txt").write_text("".join(f"{path.stem}\ttrain\n" for path in audio))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_icbhi(linked)


if __name__ == "__main__":
    typer.run(main)
