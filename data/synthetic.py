"""Invented breaths with crackles and wheezes, in ICBHI's own file layout, for use without the data.

Airflow is coloured noise under an inhale and an exhale envelope. Crackles are short damped oscillations
during inhalation, wheezes drifting harmonic tones during exhalation. What might be taken for them is in every
cycle: heart sounds, rubbing, single clicks, hum, a faint whistle of the device. Patients differ in rate,
colour and severity, devices in sample rate, band, noise and gain. Scores on these sounds say nothing about
lungs.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from data.annotations import Cycle, Part
from data.audio import DataError

FIRST_PATIENT = 301
"""Above every ICBHI patient, so that no number means two people."""


@dataclass(frozen=True)
class Profile:
    """A kind of patient: chances of a normal, crackle, wheeze and both cycle."""

    diagnosis: str
    chances: tuple[float, float, float, float]


@dataclass(frozen=True)
class Device:
    """A way to record: sample rate and band in Hz, levels against a breath of 1."""

    name: str
    sample_rate: int
    band_hz: tuple[float, float]
    hiss: float
    hum: float


# Repeated in this order the profiles give about ICBHI's mix of classes: 53, 27, 13 and 7 %.
HEALTHY = Profile("Healthy", (0.76, 0.12, 0.10, 0.02))
CRACKLING = Profile("Pneumonia", (0.42, 0.45, 0.07, 0.06))
WHEEZING = Profile("Asthma", (0.45, 0.12, 0.33, 0.10))
MIXED = Profile("COPD", (0.30, 0.30, 0.20, 0.20))
PROFILES = (CRACKLING, HEALTHY, WHEEZING, CRACKLING, HEALTHY, MIXED, CRACKLING, HEALTHY)

DEVICES = (
    Device("AKGC417L", 4000, (60.0, 1900.0), hiss=0.02, hum=0.03),
    Device("Litt3200", 4000, (40.0, 1600.0), hiss=0.01, hum=0.0),
    Device("AKGC417L", 4000, (60.0, 1900.0), hiss=0.05, hum=0.01),
    Device("LittC2SE", 10000, (80.0, 2500.0), hiss=0.03, hum=0.05),
    Device("AKGC417L", 10000, (60.0, 4000.0), hiss=0.02, hum=0.02),
    Device("Meditron", 4000, (50.0, 1800.0), hiss=0.02, hum=0.0),
    Device("AKGC417L", 4000, (80.0, 1700.0), hiss=0.03, hum=0.0),
    Device("Meditron", 10000, (50.0, 3500.0), hiss=0.04, hum=0.01),
    Device("AKGC417L", 44100, (60.0, 8000.0), hiss=0.02, hum=0.02),
    Device("Litt3200", 4000, (40.0, 1600.0), hiss=0.02, hum=0.02),
    Device("Meditron", 10000, (60.0, 3000.0), hiss=0.02, hum=0.03),
)
# Of five patients of one profile three train; the first two patients of all, unlike each other, part ways.
PARTS: tuple[Part, ...] = ("train", "test", "train", "test", "train")
LOCATIONS = ("Tc", "Al", "Ar", "Pl", "Pr", "Ll", "Lr")


def write_breaths(
    directory: Path,
    patients: int = 24,
    seed: int = 0,
    *,
    recordings: int = 3,
    cycles: tuple[int, int] = (8, 12),
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
    draft = directory.with_name(f".{directory.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        _write_all(draft, [_invent(position, seed) for position in range(patients)], recordings, cycles)
        draft.rename(directory)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@dataclass(frozen=True)
class Patient:
    """What is constant in a patient; `severity` scales the sounds of disease against the airflow."""

    number: int
    part: Part
    profile: Profile
    device: Device
    period_s: float
    inhale_share: float
    exhale_level: float
    slope: float
    formants_hz: tuple[float, float]
    severity: float
    crackle_hz: float
    wheeze_hz: float
    heart_hz: float
    heart_level: float
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
        inhale_share=rng.uniform(0.36, 0.48),
        exhale_level=rng.uniform(0.35, 0.8),
        slope=rng.uniform(1.2, 2.2),
        formants_hz=(rng.uniform(180, 420), rng.uniform(500, 1100)),
        severity=rng.uniform(0.8, 1.4),
        crackle_hz=float(np.exp(rng.uniform(np.log(220), np.log(700)))),
        wheeze_hz=float(np.exp(rng.uniform(np.log(160), np.log(700)))),
        heart_hz=rng.uniform(1.0, 1.7),
        heart_level=rng.uniform(0.2, 1.2),
        rng=rng,
    )


def _write_all(folder: Path, patients: Sequence[Patient], recordings: int, cycles: tuple[int, int]) -> None:
    import soundfile

    split, diagnoses, demographics = [], ["ID,CLASS"], []
    for patient in patients:
        rng = patient.rng
        places = rng.permutation(len(LOCATIONS))
        counts = rng.integers(cycles[0], cycles[1], size=recordings, endpoint=True)
        labels = np.split(_labels(patient.profile, int(counts.sum()), rng), np.cumsum(counts)[:-1])
        for index in range(recordings):
            place = LOCATIONS[places[index % len(LOCATIONS)]]
            name = f"{patient.number}_{index + 1}b1_{place}_sc_{patient.device.name}"
            breaths = _breaths(patient, labels[index])
            sound = _recording(patient, breaths)
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


def _labels(profile: Profile, count: int, rng: np.random.Generator) -> np.ndarray:
    """Labels in the profile's proportions, as near as whole cycles allow, in random order."""
    points = (np.arange(count) + rng.random()) / count
    return rng.permutation(np.searchsorted(np.cumsum(profile.chances)[:-1], points, side="right"))


def _breaths(patient: Patient, labels: np.ndarray) -> list[Cycle]:
    periods = patient.period_s * patient.rng.uniform(0.8, 1.25, size=len(labels))
    edges = np.round(patient.rng.uniform(0.05, 0.5) + np.cumsum([0.0, *periods]), 3)
    return [
        Cycle(float(start), float(end), bool(label & 1), bool(label & 2))
        for start, end, label in zip(edges[:-1], edges[1:], labels, strict=True)
    ]


def _recording(patient: Patient, breaths: Sequence[Cycle]) -> Float[np.ndarray, " samples"]:
    rng, device = patient.rng, patient.device
    rate = device.sample_rate
    time = np.arange(int((breaths[-1].end_s + rng.uniform(0.05, 0.4)) * rate)) / rate
    inhale, exhale = _envelopes(patient, breaths, time)
    colour = rng.uniform(0.9, 1.1)
    sound = inhale * _airflow(patient, len(time), colour) + exhale * _airflow(
        patient, len(time), 0.7 * colour
    )
    for breath in breaths:
        begin = breath.start_s
        middle = begin + patient.inhale_share * (breath.end_s - begin)
        if breath.crackle:
            for _ in range(rng.integers(5, 20, endpoint=True)):
                level = patient.severity * rng.uniform(5.0, 11.0)
                _add_crackle(
                    sound, rate, begin + (middle - begin) * rng.beta(2.5, 1.6), patient.crackle_hz, level, rng
                )
        if breath.wheeze:
            for _ in range(rng.integers(1, 2, endpoint=True)):
                _add_wheeze(sound, rate, middle, breath.end_s, patient, rng)
        for _ in range(rng.poisson(0.8)):
            _add_crackle(
                sound,
                rate,
                rng.uniform(begin, breath.end_s),
                rng.uniform(150, 900),
                rng.uniform(0.5, 2.5),
                rng,
            )
        if rng.random() < 0.25:
            _add_rub(sound, rate, rng.uniform(begin, breath.end_s - 0.3), rng)
    sound += patient.heart_level * _heart(patient, time)
    sound += _device_noise(device, time, rng)
    sound = _in_band(sound, rate, device.band_hz)
    return np.clip(sound * rng.uniform(0.01, 0.05), -1, 1)


def _envelopes(patient: Patient, breaths: Sequence[Cycle], time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    starts = np.array([breath.start_s for breath in breaths])
    ends = np.array([breath.end_s for breath in breaths])
    own = np.clip(np.searchsorted(starts, time, side="right") - 1, 0, len(breaths) - 1)
    phase = np.clip((time - starts[own]) / (ends - starts)[own], 0, 1)
    depth = patient.rng.uniform(0.7, 1.3, size=len(breaths))[own]
    share = patient.inhale_share
    rising = np.sin(np.pi * np.clip(phase / (0.92 * share), 0, 1)) ** 0.8
    falling = np.sin(np.pi * np.clip((phase - share) / (0.85 * (1 - share)), 0, 1)) ** 1.2
    return depth * rising, depth * patient.exhale_level * falling


def _airflow(patient: Patient, samples: int, colour: float) -> Float[np.ndarray, " samples"]:
    """Noise of unit power with a falling spectrum and two broad formants; `colour` moves them up or down."""
    rate = patient.device.sample_rate
    padded = rate * math.ceil(samples / rate)  # whole seconds transform fast
    spectrum = np.fft.rfft(patient.rng.standard_normal(padded))
    hz = np.fft.rfftfreq(padded, 1 / rate)
    shape = 1 / (1 + (hz / (250 * colour)) ** patient.slope)
    for formant in patient.formants_hz:
        shape *= 1 + 1.5 * np.exp(-((np.log(np.maximum(hz, 1) / (colour * formant)) / 0.25) ** 2))
    noise = np.fft.irfft(spectrum * shape, padded)[:samples]
    return noise / noise.std()


def _add_crackle(
    sound: np.ndarray, rate: int, at_s: float, around_hz: float, level: float, rng: np.random.Generator
) -> None:
    hz = around_hz * np.exp(rng.normal(0, 0.25))
    decay_s = rng.uniform(0.8, 2.0) / hz
    time = np.arange(int(6 * decay_s * rate)) / rate
    burst = level * np.exp(-time / decay_s) * np.sin(2 * np.pi * hz * time)
    _add(sound, int(at_s * rate), burst if rng.random() < 0.5 else -burst)


def _add_wheeze(
    sound: np.ndarray, rate: int, from_s: float, to_s: float, patient: Patient, rng: np.random.Generator
) -> None:
    length_s = rng.uniform(0.5, 0.95) * (to_s - from_s)
    time = np.arange(int(length_s * rate)) / rate
    start_hz = np.clip(patient.wheeze_hz * np.exp(rng.normal(0, 0.3)), 100, 1000)
    drift = (
        1 + rng.uniform(-0.15, 0.15) * time / length_s + 0.01 * np.sin(2 * np.pi * rng.uniform(3, 6) * time)
    )
    phase = 2 * np.pi * np.cumsum(start_hz * drift) / rate
    tone = sum(
        share * np.sin(k * phase)
        for k, share in ((1, 1.0), (2, rng.uniform(0, 0.5)), (3, rng.uniform(0, 0.25)))
    )
    level = patient.severity * rng.uniform(1.0, 2.5)
    _add(sound, int(rng.uniform(from_s, to_s - length_s) * rate), level * tone * np.hanning(len(time)) ** 0.5)


def _add_rub(sound: np.ndarray, rate: int, at_s: float, rng: np.random.Generator) -> None:
    noise = np.diff(rng.standard_normal(int(rng.uniform(0.06, 0.3) * rate) + 1))
    rough = np.interp(np.linspace(0, 1, len(noise)), np.linspace(0, 1, 12), rng.random(12))
    _add(sound, int(at_s * rate), rng.uniform(0.3, 1.2) * noise * rough * np.hanning(len(noise)))


def _add(sound: np.ndarray, first: int, piece: np.ndarray) -> None:
    first = max(first, 0)
    room = len(sound) - first
    sound[first : first + len(piece)] += piece[: max(room, 0)]


def _heart(patient: Patient, time: np.ndarray) -> np.ndarray:
    beat = (time * patient.heart_hz) % 1.0 / patient.heart_hz
    first = np.exp(-(((beat - 0.05) / 0.03) ** 2)) * np.sin(2 * np.pi * 55 * beat)
    second = 0.7 * np.exp(-(((beat - 0.36) / 0.02) ** 2)) * np.sin(2 * np.pi * 80 * beat)
    return first + second


def _device_noise(device: Device, time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    hum = sum(np.sin(2 * np.pi * 50 * k * time + rng.uniform(0, 6)) / k for k in (1, 2, 3))
    whistle = rng.uniform(0, 0.05) * np.sin(2 * np.pi * rng.uniform(150, 900) * time)
    return device.hiss * rng.standard_normal(len(time)) + device.hum * hum + whistle


def _in_band(sound: np.ndarray, rate: int, band_hz: tuple[float, float]) -> np.ndarray:
    padded = rate * math.ceil(len(sound) / rate)
    hz = np.maximum(np.fft.rfftfreq(padded, 1 / rate), 1e-6)
    low, high = band_hz
    gain = 1 / np.sqrt((1 + (low / hz) ** 4) * (1 + (hz / high) ** 8))
    return np.fft.irfft(np.fft.rfft(sound, padded) * gain, padded)[: len(sound)]
