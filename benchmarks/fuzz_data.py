"""Readers of recordings, annotations, and what is made of them: features, folds, digests."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_audio import NAME, recordings
from fuzz_reader import ALWAYS, Files, Reader, files_below, known, need

from data.audio import read_recording
from data.audio_file import AUDIO_SUFFIXES, MOST_SAMPLES, RATES, blocks, opened, recording_length
from data.cycle import END_TOLERANCE_S, SHORTEST_CYCLE_S, Cycle
from data.dataset import DataSet, census
from data.digests import MEMORY, file_digests
from data.folds import Folds
from data.icbhi import read_icbhi
from data.icbhi_annotations import read_annotation, read_split
from data.patients import DEMOGRAPHICS, DIAGNOSES, read_patients
from data.recipe_parts import FeatureConfig
from data.sprsound import read_sprsound
from data.sprsound_annotations import EVENTS, RECORDS, read_sprsound_annotation
from data.store import build_store, open_store
from data.synthetic import write_breaths
from data.task import SPRSOUND

SECONDS = 2.0
"""Length of the recording to which an annotation belongs."""
FEATURES = FeatureConfig(n_mels=16, frame_length_ms=64, frame_shift_ms=64, target_frames=16)
ROWS = b"0.1\t0.6\t0\t0\n0.6\t1.2\t1\t0\n1.2\t1.9\t0\t1\n1.25\t1.75\t1\t1\n"
EVENT_LIST = [
    {"start": "100", "end": "600", "type": "Normal"},
    {"start": 600, "end": 1200.5, "type": "Fine Crackle"},
    {"start": "1200", "end": "1900", "type": "Wheeze+Crackle"},
]
CHILDREN = {
    "501_2.4_0_p1_1": ("train", "train", "CAS & DAS"),
    "502_14_1_p2_3": ("train", "train", "DAS"),
    "503_7_0_p4_4": ("test", "test_json/inter_test", "Normal"),
    "501_2.5_0_p3_5": ("test", "test_json/intra_test", "CAS"),
}


@functools.cache
def breaths() -> Files:
    """Three invented patients in ICBHI's layout, one recording each."""
    with tempfile.TemporaryDirectory() as folder:
        write_breaths(Path(folder) / "data", patients=3, seed=0, recordings=1, cycles=(2, 3))
        return files_below(Path(folder) / "data")


@functools.cache
def store() -> Files:
    """The features of those patients who train, below `store/`."""
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        write_breaths(top / "data", patients=3, seed=0, recordings=1, cycles=(2, 3))
        build_store(read_icbhi(top / "data"), FEATURES, part="train", cache=top / "store", progress=False)
        return {
            name: content
            for name, content in files_below(top).items()
            if name.endswith((".npy", "index.json"))
        }


def children() -> Files:
    """Four recordings of three invented children in SPRSound's layout."""
    wav = recordings()[0][1]
    made: Files = {}
    for number, (name, (audio, annotation, record)) in enumerate(CHILDREN.items()):
        # Not twice the same audio.
        made[f"{audio}_wav/{name}.wav"] = wav[:-1] + bytes([number])
        events = [{**event, "start": 10, "end": 400} for event in EVENT_LIST[:1]]
        folder = "train_json" if annotation == "train" else f"{annotation}_json"
        made[f"{folder}/{name}.json"] = json.dumps(
            {"record_annotation": record, "event_annotation": events}
        ).encode()
    return made


def _annotation(folder: Path) -> Any:
    return _checked(read_annotation(folder / "a.txt", SECONDS), SECONDS, 4)


def _checked(cycles: tuple[Cycle, ...], duration_s: float, labels: int) -> tuple[Cycle, ...]:
    need(bool(cycles), "a recording without cycles")
    for cycle in cycles:
        heard = min(cycle.end_s, duration_s) - cycle.start_s
        need(math.isfinite(cycle.start_s) and 0 <= cycle.start_s < cycle.end_s, f"cycle {cycle}")
        need(cycle.end_s <= duration_s + END_TOLERANCE_S and heard >= SHORTEST_CYCLE_S, f"cycle {cycle}")
        need(cycle.label in range(labels), f"label {cycle.label}")
    return cycles


def _split(folder: Path) -> Any:
    parts = read_split(folder / "official_split.txt")
    need(bool(parts) and set(parts.values()) <= {"train", "test"}, f"parts {parts}")
    need(all(name and name == name.strip() for name in parts), "a recording without a name")
    return parts


def _patients(folder: Path) -> Any:
    found = read_patients([folder])
    for number, patient in found.items():
        age = patient.age_years
        need(0 <= number < 10**9 and patient.sex in ("F", "M", None), f"patient {number}: {patient}")
        need(age is None or (math.isfinite(age) and age >= 0), f"patient {number}: {patient}")
    return found


def _data_set(data: DataSet) -> Any:
    need(bool(data.recordings), "no recordings")
    for recording in data.recordings:
        need(recording.part in data.parts and recording.frames > 0, f"{recording.name}")
        need(recording.path.is_file() and recording.annotation.is_file(), f"{recording.name}: no file")
        _checked(recording.cycles, recording.duration_s, data.task.num_classes)
    need(sum(census(data).recordings.values()) == len(data.recordings), "a census of other recordings")
    return sorted((r.name.casefold(), r.part, r.cycles, r.frames) for r in data.recordings)


def _sprsound(folder: Path) -> Any:
    return [_data_set(read_sprsound(folder, SPRSOUND[0])), _data_set(read_sprsound(folder, SPRSOUND[3]))]


def _events(folder: Path) -> Any:
    record, events = read_sprsound_annotation(folder / "a.json", SECONDS)
    need(record in RECORDS and all(event.type in EVENTS for event in events), f"{record}, {events}")
    cycles = tuple(Cycle(event.start_s, event.end_s, 0) for event in events)
    return record, events, cycles and _checked(cycles, SECONDS, 1)


def _audio(folder: Path) -> Any:
    (path,) = (path for path in folder.iterdir() if path.suffix in AUDIO_SUFFIXES)
    rate, frames = recording_length(path)
    wave, native_rate = read_recording(path)
    need(rate == native_rate and rate in RATES, f"{rate} and {native_rate} Hz")
    need(wave.shape == (1, frames) and 0 < frames <= MOST_SAMPLES, f"{tuple(wave.shape)}, {frames} samples")
    need(bool(wave.isfinite().all()) and float(wave.abs().max()) <= 8, "samples of another scale")
    content = path.read_bytes()
    if content[:4] == b"fLaC":
        _check_flac(content, folder)
    return rate, wave.numpy().tobytes()


def _check_flac(content: bytes, folder: Path) -> None:
    """A FLAC file has the MD5 of its samples, so that a wrong one among them can be told."""
    told = content[26:42]
    bits = ((content[20] & 1) << 4 | content[21] >> 4) + 1
    if not any(told) or bits not in (8, 16, 24):
        return
    (path,) = folder.iterdir()
    with opened(path) as file:
        samples = np.concatenate([*blocks(path, file, "int32")])
    whole = (samples >> (32 - bits)).astype("<i4").view(np.uint8).reshape(-1, 4)[:, : bits // 8]
    need(hashlib.md5(whole.tobytes()).digest() == told, "samples that are not those of the MD5 in the file")


def _open_store(folder: Path) -> Any:
    (place,) = (folder / "store").iterdir()
    found = open_store(place)
    columns = found.labels.tolist(), found.patients.tolist(), found.recordings, found.devices
    return (
        hashlib.sha256(found.features.tobytes()).hexdigest(),
        columns,
        found.part,
        found.data_hash,
        found.task,
    )


def _folds(folder: Path) -> Any:
    (path,) = folder.iterdir()
    found = Folds.load(path)
    return found.hash(), sorted(found.assignment.items()), sorted(found.never_validate), found.folds


def _fold_files(_: Path) -> list[Files]:
    folds = Folds({301: 0, 302: 1, 305: 2, 307: 0, 310: 1}, frozenset({156, 218}), 3, 7)
    with tempfile.TemporaryDirectory() as folder:
        folds.save(path := Path(folder) / f"{folds.hash()}.json")
        return [{path.name: path.read_bytes()}, *known("hostile/07_folds_changed/*.json")]


def _digests(folder: Path) -> Any:
    paths = [folder / "a.wav", folder / "b.wav"]
    found = file_digests(paths, folder)
    right = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    need(found == right, "digests that are not those of the files")
    need(file_digests(paths, folder) == right, "digests that are not those of the files, the second time")
    return right


def _digest_files(folder: Path) -> list[Files]:
    """Files and the memory of their digests, which holds where they lie and when they changed."""
    files = {"a.wav": b"first", "b.wav": b"second"}
    with tempfile.TemporaryDirectory() as cache:
        file_digests([folder / name for name in files if (folder / name).exists()], Path(cache))
        memory = Path(cache) / MEMORY
        content = memory.read_bytes() if memory.exists() else b"{}"
    return [
        {**files, MEMORY: content},
        *({**files, **one} for one in known("hostile/24_digests_list/digests.json")),
    ]


def _patient_files(_: Path) -> list[Files]:
    demographics = b"301 3 F NA 19 99\n302\t0.75\tM\tNA\tNA\tNA\n303 70 F 33 NA NA\n304 NA NA NA NA NA\n"
    return [{DEMOGRAPHICS[0]: demographics, DIAGNOSES[0]: b"301,URTI\n302,Healthy\n303;COPD\n"}]


def _layouts(_: Path) -> list[Files]:
    below = {f"archive/audio_and_txt_files/{name}": content for name, content in breaths().items()}
    return [breaths(), below]


READERS = (
    Reader("ICBHI's annotations", "text", r"a\.txt", lambda _: [{"a.txt": ROWS}], _annotation),
    Reader(
        "ICBHI's split",
        "text",
        r".*",
        lambda _: [{"official_split.txt": f"{NAME}\ttrain\n102_1b1_Ar_sc_Meditron.wav,test\n".encode()}],
        _split,
    ),
    Reader("ICBHI's patients", "text", r".*", _patient_files, _patients),
    Reader(
        "a folder of ICBHI's", "names", r".*", _layouts, lambda folder: _data_set(read_icbhi(folder)), ("{}",)
    ),
    Reader(
        "SPRSound's annotations",
        "json",
        r"a\.json",
        lambda _: [
            {
                "a.json": json.dumps(
                    {"record_annotation": "CAS & DAS", "event_annotation": EVENT_LIST}
                ).encode()
            },
            {"a.json": b'{"record_annotation": "Poor Quality", "event_annotation": []}'},
        ],
        _events,
    ),
    Reader("a folder of SPRSound's", "names", r".*", lambda _: [children()], _sprsound, ("{}",)),
    Reader(
        "recordings",
        "audio",
        r".*\.(wav|flac)",
        lambda _: [
            *({name: content} for name, content in recordings()),
            *known("hostile/1[2345]_*/*.wav"),
            *known("hostile/1[2345]_*/*.flac"),
        ],
        _audio,
        weight=3,
    ),
    Reader("feature store", "json", r".*/index\.json", lambda _: [store()], _open_store, ("{}",), ALWAYS),
    Reader("features of a store", "binary", r".*\.npy", lambda _: [store()], _open_store, ("{}",), ALWAYS),
    Reader("folds", "json", r".*", _fold_files, _folds, exact=ALWAYS),
    Reader("digests", "json", MEMORY, _digest_files, _digests, exact=ALWAYS),
)
