"""One small file with per-cycle predictions, the numbers that were made of them, and what they rest on.

A bundle is a ZIP archive. Its comment ends in the SHA-256 (hex) of all bytes before that, so that one changed byte
anywhere is found. Inside are `bundle.json`, `cycles.json`, `predictions/CONFIGURATION-seedSEED.npy` for each unit, and
`baselines/NAME.npy` for each plain method beside them.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from evidence.predictions import check_probabilities
from evidence.scores import SCORES

FORMAT = 1
KINDS = "validation", "test", "folds"
LARGEST = 2**30
"""Bytes that a bundle may take when it is unpacked."""
_COMMENT = b"respsweep bundle, sha256 "
_DIGITS = 64
_UNIT = re.compile(r"predictions/(\d+)-seed(-?\d+)\.npy")
_BASELINE = re.compile(r"baselines/([a-z ]{1,40})\.npy")

Unit = tuple[int, int]
"""A configuration's number, and a seed."""


class BundleError(ValueError):
    """A file that is no bundle, or has changed since it was made; the message names it."""


@dataclass(frozen=True)
class Cycles:
    """The cycles that were predicted; every field has an entry for each.

    `labels`, (cycles,): the true label, a position in the labels of the task, of which 0 is normal. `patients`,
    (cycles,): whose breath it is. `recordings`: the name of the recording, of which the cycle is number `positions`,
    (cycles,), counted from 0. `parts`: the part of the data set. `groups`: further properties by name, such as the
    device; an empty text where that is not known.
    """

    labels: np.ndarray
    patients: np.ndarray
    recordings: tuple[str, ...]
    positions: np.ndarray
    parts: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Bundle:
    """What a bundle holds.

    `kind`: `validation` of a study, validation on all `folds`, or a reading of the `test` part. `labels` and `formula`:
    those of the task, the formula by its name in `evidence.scores.SCORES`. `about`: what the predictions rest on, as
    plain values: study, hashes of data and folds, protocol. `claims`: the numbers that were shown of them.
    `predictions`: probabilities by unit, float16, (cycles, labels). `baselines`: those of plain methods, by name, which
    the units are compared with.
    """

    kind: str
    labels: tuple[str, ...]
    formula: str
    about: Mapping[str, Any]
    claims: Mapping[str, Any]
    cycles: Cycles
    predictions: Mapping[Unit, np.ndarray]
    baselines: Mapping[str, np.ndarray] = field(default_factory=dict)


def write_bundle(bundle: Bundle) -> tuple[bytes, str]:
    """Return the bytes of a bundle's file, and the SHA-256 (hex) in it. Equal bundles give equal bytes."""
    cycles = bundle.cycles
    manifest = {
        "format": FORMAT,
        "kind": bundle.kind,
        "labels": list(bundle.labels),
        "formula": bundle.formula,
        "about": bundle.about,
        "claims": bundle.claims,
    }
    table = {
        "labels": cycles.labels.tolist(),
        "patients": cycles.patients.tolist(),
        "recordings": list(cycles.recordings),
        "positions": cycles.positions.tolist(),
        "parts": list(cycles.parts),
        "groups": {name: list(values) for name, values in cycles.groups.items()},
    }
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in (("bundle.json", manifest), ("cycles.json", table)):
            _add(archive, name, json.dumps(content, sort_keys=True, allow_nan=False, indent=1).encode())
        for (configuration, seed), probabilities in sorted(bundle.predictions.items()):
            _add(archive, f"predictions/{configuration:04d}-seed{seed}.npy", _array(probabilities))
        for name, probabilities in sorted(bundle.baselines.items()):
            _add(archive, f"baselines/{name}.npy", _array(probabilities))
        archive.comment = _COMMENT + bytes(_DIGITS)
    content = file.getvalue()[:-_DIGITS]
    digest = hashlib.sha256(content).hexdigest()
    return content + digest.encode(), digest


def read_bundle(path: Path) -> tuple[Bundle, str]:
    """Read a bundle and the SHA-256 (hex) in it.

    Raises BundleError for a file that is none, whose bytes are not those that were written, or whose tables do not fit
    each other; OSError for a file that cannot be read.
    """
    content = path.read_bytes()
    digest = content[-_DIGITS:].decode("ascii", errors="replace")
    if content[-_DIGITS - len(_COMMENT) : -_DIGITS] != _COMMENT:
        raise BundleError(f"{path}: not a bundle; expected a file that respsweep made, to its last byte")
    if hashlib.sha256(content[:-_DIGITS]).hexdigest() != digest:
        raise BundleError(f"{path}: not as it was made: the SHA-256 of its content is not the one at its end")
    try:
        return _bundle(BytesIO(content)), digest
    except (
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        EOFError,
        OverflowError,
        zipfile.BadZipFile,
    ) as error:
        raise BundleError(f"{path}: a bundle that cannot be: {error!r}") from error


def _array(probabilities: np.ndarray) -> bytes:
    content = BytesIO()
    np.save(content, probabilities, allow_pickle=False)
    return content.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    archive.writestr(entry, content, zipfile.ZIP_DEFLATED)


def _bundle(file: BytesIO) -> Bundle:
    with zipfile.ZipFile(file) as archive:
        if (size := sum(entry.file_size for entry in archive.infolist())) > LARGEST:
            raise ValueError(f"{size} bytes when unpacked; expected at most {LARGEST}")
        manifest = json.loads(archive.read("bundle.json"))
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']!r}; this version reads {FORMAT}")
        labels = tuple(map(str, manifest["labels"]))
        if manifest["formula"] not in SCORES:
            raise ValueError(f"formula {manifest['formula']!r}; expected one of {', '.join(SCORES)}")
        if manifest["kind"] not in KINDS:
            raise ValueError(f"kind {manifest['kind']!r}; expected one of {', '.join(KINDS)}")
        cycles = _cycles(json.loads(archive.read("cycles.json")), len(labels))
        predictions = list(_predictions(archive, len(cycles), len(labels)))
        if not len(cycles) or not predictions or len(dict(predictions)) < len(predictions):
            raise ValueError(f"{len(predictions)} units, {len(cycles)} cycles; expected some, each unit once")
        return Bundle(
            kind=str(manifest["kind"]),
            labels=labels,
            formula=manifest["formula"],
            about=dict(manifest["about"]),
            claims=dict(manifest["claims"]),
            cycles=cycles,
            predictions=dict(predictions),
            baselines=dict(_baselines(archive, len(cycles), len(labels))),
        )


def _cycles(table: Mapping[str, Any], classes: int) -> Cycles:
    cycles = Cycles(
        labels=np.array(table["labels"], dtype=np.int64),
        patients=np.array(table["patients"], dtype=np.int64),
        recordings=tuple(table["recordings"]),
        positions=np.array(table["positions"], dtype=np.int64),
        parts=tuple(table["parts"]),
        groups={name: tuple(values) for name, values in table["groups"].items()},
    )
    columns = (cycles.patients, cycles.recordings, cycles.positions, cycles.parts, *cycles.groups.values())
    if cycles.labels.ndim != 1 or {len(column) for column in columns} != {len(cycles)}:
        raise ValueError("columns of different lengths in cycles.json")
    if len(cycles) and not 0 <= cycles.labels.min() <= cycles.labels.max() < classes:
        raise ValueError(f"labels outside 0..{classes - 1} in cycles.json")
    if len(set(zip(cycles.recordings, cycles.positions.tolist(), strict=True))) < len(cycles):
        raise ValueError("the same cycle twice in cycles.json")
    return cycles


def _predictions(archive: zipfile.ZipFile, cycles: int, classes: int) -> Iterator[tuple[Unit, np.ndarray]]:
    for name in archive.namelist():
        if (unit := _UNIT.fullmatch(name)) is not None:
            yield (int(unit[1]), int(unit[2])), _probabilities(archive.read(name), cycles, classes)


def _baselines(archive: zipfile.ZipFile, cycles: int, classes: int) -> Iterator[tuple[str, np.ndarray]]:
    for name in archive.namelist():
        if (method := _BASELINE.fullmatch(name)) is not None:
            yield method[1], _probabilities(archive.read(name), cycles, classes)


def _probabilities(content: bytes, cycles: int, classes: int) -> np.ndarray:
    probabilities = np.load(BytesIO(content), allow_pickle=False)
    check_probabilities(probabilities, cycles, classes)
    return probabilities
