"""Log-mels of a data set, computed once per content and settings, and memory-mapped ever after.

A store is a folder named after what is in it: part, data hash, hash of settings and task. It is written beside its
place and moved there when complete, so a folder of that name is always whole.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from rich.console import Console
from rich.progress import track
from torch import Tensor

from data.atomic import build_once, remove_built
from data.batches import Examples
from data.cycle_features import cycle_features
from data.dataset import DataSet, Recording, check_part
from data.errors import DataError
from data.json_text import check_sum, parse_json
from data.origins import origins_of
from data.recipe_parts import FeatureConfig
from data.task import ICBHI
from evidence.ledger import Seal

FORMAT = 1
"""Raised whenever the same settings would give other numbers, so that stores of older code are not opened."""
LATER_SETTINGS = ("padding", "front_end", "fade", "window")
"""Settings that came after FORMAT 1: they count only where they differ from what stores had before."""
NOT_STORED = ("target_frames", "fill", "bands", "band_mode")
"""Settings of what is done to features when they are used, so that one store serves all their values."""
CHECK_SUMS = "check_sums"
"""Key of an index under which the check sums of the rest of the index and of the features stand."""
FLUSH_BYTES = 32 * 2**20
"""Bytes written to a store before the disk is told to keep them, while the rest is computed."""


@dataclass(frozen=True)
class FeatureStore:
    """Normalised log-mels of all cycles of one part, in the order of recordings and cycles; not resized.

    `features` is a memory map: what is written to it stays in this process, and the file as it is. The rest is in
    memory, one entry for each cycle.
    """

    directory: Path
    features: Float[np.ndarray, "cycles frames mels"]
    labels: Int[np.ndarray, " cycles"]
    patients: Int[np.ndarray, " cycles"]
    recordings: tuple[str, ...]
    devices: tuple[str, ...]
    part: str
    data_hash: str
    task: str
    settings: dict[str, Any]

    def __len__(self) -> int:
        return len(self.labels)

    def examples(self, rows: Sequence[int] | Int[np.ndarray, " rows"] | None = None) -> Examples:
        """Take the cycles in `rows` (None: all). Examples of a store share its memory map and its copies on devices."""
        if rows is None:
            return self._all
        return self._all.take(torch.as_tensor(np.asarray(rows, dtype=np.int64)))

    @functools.cached_property
    def _all(self) -> Examples:
        origins = origins_of(torch.from_numpy(self.patients), self.devices)
        return Examples(torch.from_numpy(self.features), torch.from_numpy(self.labels), origins=origins)


def build_store(
    data: DataSet,
    config: FeatureConfig,
    *,
    part: str,
    cache: Path,
    workers: int | None = None,
    progress: bool = True,
    seal: Seal | None = None,
) -> FeatureStore:
    """Open the store of one part of `data` under `cache`, or compute it in threads if it is not there yet.

    `config.target_frames`, `config.fill` and the bands that `config` keeps play no role. `workers` defaults to the
    processors at hand and does not change the numbers. `seal`: what opens an official test part, and nothing else does
    (SealedPartError). Raises DataError when the part has no recordings or audio turns out to be damaged; nothing is left
    behind then. A store that is damaged is computed again, with a warning.
    """
    recordings = data.part(part)
    if not recordings:
        raise DataError(f"{data.directory}: no {part} recordings; expected some of that part")
    settings = _settings(config)
    data_hash = data.content_hash(cache)
    check_part(part, data_hash, seal)
    place = cache / _name(part, data_hash, settings, data.task.name)

    def build(draft: Path) -> None:
        _compute(recordings, config, draft / "features.npy", workers or _processors(), progress, seal)
        _write_index(draft, data, part, data_hash, settings)

    build_once(place, build)
    try:
        return open_store(place, seal)
    except DataError as error:
        warnings.warn(f"{error}; it is computed again", stacklevel=2)
    remove_built(place, functools.partial(is_damaged, seal=seal))
    build_once(place, build)
    return open_store(place, seal)


def open_store(directory: Path, seal: Seal | None = None) -> FeatureStore:
    """Open the store in `directory`; features stay on disk.

    Raises DataError when it is not a whole store, of the content that its name says, as it was written: its features are
    read once to compare their check sum, which takes about a second a gigabyte. Raises SealedPartError for the store of
    an official test part without the `seal` that opens it.
    """
    try:
        index = parse_json((directory / "index.json").read_bytes())
        if index["format"] != FORMAT:
            raise ValueError(f"format {index['format']}, not {FORMAT}")
        sums = index.pop(CHECK_SUMS, None)
        if sums is None:
            raise ValueError("no check sums, so of an earlier version")
        if sums != {"index": check_sum(index), "features": _digest(directory / "features.npy")}:
            raise ValueError("not what was written")
        if directory.name != _name(index["part"], index["data_hash"], index["settings"], index["task"]):
            raise ValueError("of other content than its name says")
        check_part(index["part"], index["data_hash"], seal)
        features = np.load(directory / "features.npy", mmap_mode="c")
        if len(features) != len(index["labels"]):
            raise ValueError(f"{len(features)} spectrograms for {len(index['labels'])} labels")
        return FeatureStore(
            directory=directory,
            features=features,
            labels=np.array(index["labels"], dtype=np.int64),
            patients=np.array(index["patients"], dtype=np.int64),
            recordings=tuple(index["recordings"]),
            devices=tuple(index["devices"]),
            part=index["part"],
            data_hash=index["data_hash"],
            task=index["task"],
            settings=index["settings"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, OverflowError) as error:
        raise DataError(f"{directory}: not a whole feature store ({error})") from error


def is_damaged(directory: Path, seal: Seal | None = None) -> bool:
    """Whether a folder is anything but a whole feature store as it was written, which the `seal` opens if one is due."""
    try:
        open_store(directory, seal)
    except DataError:
        return True
    return False


def recording_features(
    recording: Recording, config: FeatureConfig, seal: Seal | None = None
) -> Iterator[Float[Tensor, "frames mels"]]:
    """Yield the normalised log-mels of a recording's cycles; the recording is decoded, resampled and faded once.

    Raises SealedPartError for a recording of an official test part without a seal, and DataError for damaged audio.
    """
    check_part(recording.part, "" if seal is None else seal.data_hash, seal)
    times = [(cycle.start_s, cycle.end_s) for cycle in recording.cycles]
    yield from cycle_features(recording.path, times, config)


def _settings(config: FeatureConfig) -> dict[str, Any]:
    defaults = {name: FeatureConfig.model_fields[name].default for name in LATER_SETTINGS}
    as_before = {name for name, default in defaults.items() if getattr(config, name) == default}
    return config.model_dump(mode="json", exclude={*NOT_STORED, *as_before})


def _name(part: str, data_hash: str, settings: dict[str, Any], task: str) -> str:
    """Name the folder of a store after what is in it."""
    # Stores for ICBHI's four labels keep the names that they had before there were tasks.
    content = json.dumps([FORMAT, settings, *([] if task == ICBHI.name else [task])], sort_keys=True)
    return f"{part}-{data_hash[:16]}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _compute(
    recordings: Sequence[Recording],
    config: FeatureConfig,
    path: Path,
    workers: int,
    progress: bool,
    seal: Seal | None,
) -> None:
    number: torch.dtype = getattr(torch, config.storage)
    counts = [len(recording.cycles) for recording in recordings]
    with path.open("wb") as file:
        shape = (sum(counts), config.frames, config.n_mels)
        header = {"descr": np.dtype(config.storage).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.flush()
        cycle_bytes = config.frames * config.n_mels * number.itemsize
        places = [file.tell() + before * cycle_bytes for before in accumulate(counts, initial=0)]

        def compute(index: int) -> None:
            place = places[index]
            for features in recording_features(recordings[index], config, seal):
                _write_at(file.fileno(), features.to(number).numpy(), place)
                place += cycle_bytes

        # The longest first, so that no processor waits long for the last.
        longest_first = sorted(range(len(recordings)), key=lambda index: -counts[index])
        unsafe = 0
        for index in _in_threads(compute, longest_first, workers, progress):
            unsafe += counts[index] * cycle_bytes
            # This thread has nothing else to do, and the disk would have all of it to take at the end.
            if unsafe >= FLUSH_BYTES:
                os.fsync(file.fileno())
                unsafe = 0
        os.fsync(file.fileno())


def _in_threads(
    work: Callable[[int], None], items: Sequence[int], workers: int, progress: bool
) -> Iterator[int]:
    """Do the work of every item on `workers` threads; yields each item when its work is done."""
    threads_before = torch.get_num_threads()
    # Threads, not processes: torch lets go of the interpreter, and each process would import it for seconds.
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        futures = {pool.submit(work, item): item for item in items}
        console = Console(stderr=True)
        done = track(as_completed(futures), "Log-mels", len(items), console=console, disable=not progress)
        for future in done:
            future.result()
            yield futures[future]
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads_before)


def _write_at(file: int, content: np.ndarray, place: int) -> None:
    left = content.data.cast("B")
    while left:
        written = os.pwrite(file, left, place)
        left, place = left[written:], place + written


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_index(directory: Path, data: DataSet, part: str, data_hash: str, settings: dict[str, Any]) -> None:
    cycles = [(recording, cycle) for recording in data.part(part) for cycle in recording.cycles]
    index = {
        "format": FORMAT,
        "part": part,
        "data_hash": data_hash,
        "task": data.task.name,
        "settings": settings,
        "labels": [cycle.label for _, cycle in cycles],
        "patients": [recording.patient for recording, _ in cycles],
        "recordings": [recording.name for recording, _ in cycles],
        "devices": [recording.device for recording, _ in cycles],
    }
    sums = {"index": check_sum(index), "features": _digest(directory / "features.npy")}
    (directory / "index.json").write_text(json.dumps({**index, CHECK_SUMS: sums}), encoding="utf-8")
