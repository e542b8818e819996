"""Invented patients with crackles and wheezes, in ICBHI's own file layout, for use without the data.

Patients differ in rate, colour and severity of breath, devices in sample rate, band, noise and gain. Scores
on these sounds say nothing about lungs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from data.atomic import folder_draft
from data.breath_sounds import Breath, Device, Voice, sound_of
from data.digests import file_digests
from data.errors import DataError
from data.icbhi_annotations import Part
from data.settings import ConfigError, read_yaml

VERSION = 2
"""Raised whenever the same arguments would write other files, so that no cache mistakes one for the other."""
MADE_UP = "made_up.yaml"
"""File, beside the recordings, that says how they were made up."""
RECORDINGS = 3
CYCLES = (8, 12)
FIRST_PATIENT = 301
"""Above every ICBHI patient, so that no number means two people."""


@dataclass(frozen=True)
class Profile:
    """A kind of patient: chances of a normal, crackle, wheeze and both cycle."""

    diagnosis: str
    chances: tuple[float, float, float, float]


# Repeated in this order the profiles give about ICBHI's mix of classes: 53, 27, 13 and 7 %.
HEALTHY = Profile("Healthy", (0.76, 0.12, 0.10, 0.02))
CRACKLING = Profile("Pneumonia", (0.42, 0.45, 0.07, 0.06))
WHEEZING = Profile("Asthma", (0.45, 0.12, 0.33, 0.10))
MIXED = Profile("COPD", (0.30, 0.30, 0.20, 0.20))
PROFILES = (CRACKLING, HEALTHY, WHEEZING, CRACKLING, HEALTHY, MIXED, CRACKLING, HEALTHY)

DEVICES = (
    Device("AKGC417L", 4000, (60.0, 1900.0), hiss=0.02, hum=0.01),
    Device("Litt3200", 4000, (40.0, 1600.0), hiss=0.01, hum=0.0),
    Device("AKGC417L", 4000, (60.0, 1900.0), hiss=0.05, hum=0.0033),
    Device("LittC2SE", 10000, (80.0, 2500.0), hiss=0.03, hum=0.017),
    Device("AKGC417L", 10000, (60.0, 4000.0), hiss=0.02, hum=0.0067),
    Device("Meditron", 4000, (50.0, 1800.0), hiss=0.02, hum=0.0),
    Device("AKGC417L", 4000, (80.0, 1700.0), hiss=0.03, hum=0.0),
    Device("Meditron", 10000, (50.0, 3500.0), hiss=0.04, hum=0.0033),
    Device("AKGC417L", 44100, (60.0, 8000.0), hiss=0.02, hum=0.0067),
    Device("Litt3200", 4000, (40.0, 1600.0), hiss=0.02, hum=0.0067),
    Device("Meditron", 10000, (60.0, 3000.0), hiss=0.02, hum=0.01),
)
# Of five patients of one profile three train; the first two patients of all, unlike each other, part ways.
PARTS: tuple[Part, ...] = ("train", "test", "train", "test", "train")
LOCATIONS = ("Tc", "Al", "Ar", "Pl", "Pr", "Ll", "Lr")


def write_breaths(
    directory: Path,
    patients: int = 24,
    seed: int = 0,
    *,
    recordings: int = RECORDINGS,
    cycles: tuple[int, int] = CYCLES,
) -> None:
    """Write recordings of invented patients, with annotations, split and patient files, to a new folder.

    Each patient has `recordings` of `cycles[0]` to `cycles[1]` breaths. About 60 % of patients are in train.
    The files depend on nothing but the arguments, and a patient sounds alike however many follow. Raises
    DataError when the folder holds something already, ValueError for fewer than two patients or no breaths;
    the folder appears whole or not at all.
    """
    if patients < 2 or recordings < 1 or not 1 <= cycles[0] <= cycles[1]:
        raise ValueError(
            "expected at least 2 patients, 1 recording and 1 cycle, fewest first; "
            f"got patients={patients}, recordings={recordings}, cycles={cycles}"
        )
    directory = Path(directory)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DataError(f"{directory}: there is something already; expected a new or empty folder")
    directory.parent.mkdir(parents=True, exist_ok=True)
    made = {
        "version": VERSION,
        "patients": patients,
        "seed": seed,
        "recordings": recordings,
        "cycles": list(cycles),
    }
    with folder_draft(directory) as draft:
        _write_all(draft, [_invent(position, seed) for position in range(patients)], recordings, cycles)
        content = yaml.safe_dump({**made, "sha256": _digest_of(draft)}, sort_keys=False)
        (draft / MADE_UP).write_text(content, encoding="utf-8")


def made_up(directory: Path) -> dict[str, Any] | None:
    """Say with which arguments of `write_breaths`, and in which version, the recordings in a folder were made.

    None for recordings that were not made up, where a file was changed, added or removed since, and where the file that
    says it does not hold what `write_breaths` writes.
    """
    path = directory / MADE_UP
    if not path.is_file():
        return None
    try:
        found = read_yaml(path)
    except ConfigError:
        return None
    digest = found.pop("sha256", None)
    whole = ("version", "patients", "seed", "recordings")
    if found.keys() != {*whole, "cycles"} or any(type(found[key]) is not int for key in whole):
        return None
    return found if digest == _digest_of(directory) else None


def made_by_default(made: Mapping[str, Any]) -> bool:
    """Whether what `made_up` found comes again by patients and seed alone, in the version that is installed."""
    return (made["version"], made["recordings"], made["cycles"]) == (VERSION, RECORDINGS, list(CYCLES))


def _digest_of(folder: Path) -> str:
    """SHA-256, hex, over the names and bytes of the files of a data set in a folder."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".wav", ".txt", ".csv"))
    lines = (
        f"{path.name}\t{digest}\n" for path, digest in zip(paths, file_digests(paths, None), strict=True)
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def invented_breaths(
    part: Part, patients: int, seed: int, *, recordings: int = RECORDINGS, cycles: tuple[int, int] = CYCLES
) -> dict[int, int]:
    """Count the breaths that `write_breaths` would write for the same arguments, by patient of an official part."""
    counted: dict[int, int] = {}
    for patient in (_invent(position, seed) for position in range(patients)):
        if patient.part == part:
            _, counts = _places_and_counts(patient, recordings, cycles)
            counted[patient.number] = int(counts.sum())
    return counted


@dataclass(frozen=True)
class Patient:
    """An invented patient; every draw about him comes from `rng`."""

    number: int
    part: Part
    profile: Profile
    device: Device
    period_s: float
    voice: Voice
    rng: np.random.Generator


def _invent(position: int, seed: int) -> Patient:
    rng = np.random.default_rng([seed, position])
    profile = PROFILES[position % len(PROFILES)]
    earlier = [PROFILES[p % len(PROFILES)] for p in range(position)].count(profile)
    return Patient(
        number=FIRST_PATIENT + position,
        part=PARTS[(earlier + PROFILES.index(profile)) % len(PARTS)],
        profile=profile,
        device=DEVICES[position % len(DEVICES)],
        period_s=rng.uniform(1.8, 3.4),
        voice=Voice(
            inhale_share=rng.uniform(0.36, 0.48),
            exhale_level=rng.uniform(0.35, 0.8),
            slope=rng.uniform(1.2, 2.2),
            formants_hz=(rng.uniform(180, 420), rng.uniform(500, 1100)),
            severity=rng.uniform(0.8, 1.4),
            heart_hz=rng.uniform(1.0, 1.7),
            heart_level=rng.uniform(0.2, 1.2),
        ),
        rng=rng,
    )


def _write_all(folder: Path, patients: Sequence[Patient], recordings: int, cycles: tuple[int, int]) -> None:
    import soundfile

    split, diagnoses, demographics = [], ["ID,CLASS"], []
    for patient in patients:
        rng = patient.rng
        places, counts = _places_and_counts(patient, recordings, cycles)
        labels = np.split(_labels(patient.profile, int(counts.sum()), rng), np.cumsum(counts)[:-1])
        for index in range(recordings):
            place = LOCATIONS[places[index % len(LOCATIONS)]]
            name = f"{patient.number}_{index + 1}b1_{place}_sc_{patient.device.name}"
            breaths = _breaths(patient, labels[index])
            sound = sound_of(breaths, patient.voice, patient.device, rng)
            soundfile.write(folder / f"{name}.wav", sound, patient.device.sample_rate, subtype="PCM_16")
            rows = [f"{c.start_s:.3f}\t{c.end_s:.3f}\t{c.crackle:d}\t{c.wheeze:d}\n" for c in breaths]
            (folder / f"{name}.txt").write_text("".join(rows), encoding="utf-8")
            split.append(f"{name}\t{patient.part}")
        diagnoses.append(f"{patient.number},{patient.profile.diagnosis}")
        age, sex, bmi = rng.integers(19, 90), rng.choice(["F", "M"]), rng.uniform(18, 35)
        demographics.append(f"{patient.number} {age} {sex} {bmi:.1f} NA NA")
    for file, lines in (
        ("official_split.txt", split),
        ("patient_diagnosis.csv", diagnoses),
        ("demographic_info.txt", demographics),
    ):
        (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _places_and_counts(
    patient: Patient, recordings: int, cycles: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Draw where on the chest a patient is recorded, as a permutation, and how many breaths each recording has."""
    places = patient.rng.permutation(len(LOCATIONS))
    return places, patient.rng.integers(cycles[0], cycles[1], size=recordings, endpoint=True)


def _labels(profile: Profile, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw labels in the profile's proportions, as near as whole cycles allow, in random order."""
    points = (np.arange(count) + rng.random()) / count
    return rng.permutation(np.searchsorted(np.cumsum(profile.chances)[:-1], points, side="right"))


def _breaths(patient: Patient, labels: np.ndarray) -> list[Breath]:
    periods = patient.period_s * patient.rng.uniform(0.8, 1.25, size=len(labels))
    edges = np.round(patient.rng.uniform(0.05, 0.5) + np.cumsum([0.0, *periods]), 3)
    return [
        Breath(float(start), float(end), bool(label & 1), bool(label & 2))
        for start, end, label in zip(edges[:-1], edges[1:], labels, strict=True)
    ]
