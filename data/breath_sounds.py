"""The sound of invented breaths: airflow, crackles, wheezes, and what might be taken for them.

Airflow is coloured noise under an inhale and an exhale envelope. Crackles are short damped oscillations during
inhalation, wheezes drifting harmonic tones during exhalation. Heart sounds, rubbing, single clicks, hum and a
faint whistle of the device are in every cycle, sick or not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Breath:
    """One breath to be made up: seconds from the start of its recording, and which sounds of disease it has."""

    start_s: float
    end_s: float
    crackle: bool
    wheeze: bool


@dataclass(frozen=True)
class Device:
    """A way to record: sample rate and band in Hz, levels against a breath of 1."""

    name: str
    sample_rate: int
    band_hz: tuple[float, float]
    hiss: float
    hum: float


@dataclass(frozen=True)
class Voice:
    """How one patient sounds; `severity` scales the sounds of disease against the airflow."""

    inhale_share: float
    exhale_level: float
    slope: float
    formants_hz: tuple[float, float]
    severity: float
    heart_hz: float
    heart_level: float


def sound_of(
    breaths: Sequence[Breath], voice: Voice, device: Device, rng: np.random.Generator
) -> Float[np.ndarray, " samples"]:
    """Make a recording of `breaths` in [-1, 1] at the device's rate; it ends shortly after the last breath."""
    rate = device.sample_rate
    time = np.arange(int((breaths[-1].end_s + rng.uniform(0.05, 0.4)) * rate)) / rate
    inhale, exhale = _envelopes(breaths, voice, time, rng)
    colour = rng.uniform(0.9, 1.1)
    sound = inhale * _airflow(voice, len(time), rate, colour, rng)
    sound += exhale * _airflow(voice, len(time), rate, 0.7 * colour, rng)
    for breath in breaths:
        _add_disease(sound, rate, breath, voice, rng)
        _add_distraction(sound, rate, breath, rng)
    sound += voice.heart_level * _heart(voice, time)
    sound += _device_noise(device, time, rng)
    return np.clip(_in_band(sound, rate, device.band_hz) * rng.uniform(0.004, 0.02), -1, 1)


def _add_disease(
    sound: np.ndarray, rate: int, breath: Breath, voice: Voice, rng: np.random.Generator
) -> None:
    middle_s = breath.start_s + voice.inhale_share * (breath.end_s - breath.start_s)
    if breath.crackle:
        around_hz = float(np.exp(rng.uniform(np.log(220), np.log(700))))
        for _ in range(rng.integers(10, 30, endpoint=True)):
            level = voice.severity * rng.uniform(9.0, 20.0)
            at_s = breath.start_s + (middle_s - breath.start_s) * rng.beta(2.5, 1.6)
            _add_crackle(sound, rate, at_s, around_hz, level, rng)
    if breath.wheeze:
        for _ in range(rng.integers(1, 2, endpoint=True)):
            _add_wheeze(sound, rate, middle_s, breath.end_s, voice, rng)


def _add_distraction(sound: np.ndarray, rate: int, breath: Breath, rng: np.random.Generator) -> None:
    for _ in range(rng.poisson(0.3)):
        at_s, hz = rng.uniform(breath.start_s, breath.end_s), rng.uniform(150, 900)
        _add_crackle(sound, rate, at_s, hz, rng.uniform(0.5, 2.5), rng)
    if rng.random() < 0.25:
        _add_rub(sound, rate, rng.uniform(breath.start_s, breath.end_s - 0.3), rng)


def _envelopes(
    breaths: Sequence[Breath], voice: Voice, time: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    starts = np.array([breath.start_s for breath in breaths])
    ends = np.array([breath.end_s for breath in breaths])
    own = np.clip(np.searchsorted(starts, time, side="right") - 1, 0, len(breaths) - 1)
    phase = np.clip((time - starts[own]) / (ends - starts)[own], 0, 1)
    depth = rng.uniform(0.7, 1.3, size=len(breaths))[own]
    share = voice.inhale_share
    rising = np.sin(np.pi * np.clip(phase / (0.92 * share), 0, 1)) ** 0.8
    falling = np.sin(np.pi * np.clip((phase - share) / (0.85 * (1 - share)), 0, 1)) ** 1.2
    return depth * rising, depth * voice.exhale_level * falling


def _airflow(
    voice: Voice, samples: int, rate: int, colour: float, rng: np.random.Generator
) -> Float[np.ndarray, " samples"]:
    """Noise of unit power with a falling spectrum and two broad formants; `colour` moves them up or down."""
    padded = rate * math.ceil(samples / rate)  # whole seconds transform fast
    spectrum = np.fft.rfft(rng.standard_normal(padded))
    hz = np.fft.rfftfreq(padded, 1 / rate)
    shape = 1 / (1 + (hz / (250 * colour)) ** voice.slope)
    for formant in voice.formants_hz:
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
    sound: np.ndarray, rate: int, from_s: float, to_s: float, voice: Voice, rng: np.random.Generator
) -> None:
    length_s = rng.uniform(0.6, 0.95) * (to_s - from_s)
    time = np.arange(int(length_s * rate)) / rate
    start_hz = np.exp(rng.uniform(np.log(160), np.log(700)))
    drift = (
        1 + rng.uniform(-0.15, 0.15) * time / length_s + 0.01 * np.sin(2 * np.pi * rng.uniform(3, 6) * time)
    )
    phase = 2 * np.pi * np.cumsum(start_hz * drift) / rate
    tone = sum(
        share * np.sin(k * phase)
        for k, share in ((1, 1.0), (2, rng.uniform(0, 0.5)), (3, rng.uniform(0, 0.25)))
    )
    level = voice.severity * rng.uniform(3.0, 7.0)
    _add(sound, int(rng.uniform(from_s, to_s - length_s) * rate), level * tone * np.hanning(len(time)) ** 0.5)


def _add_rub(sound: np.ndarray, rate: int, at_s: float, rng: np.random.Generator) -> None:
    noise = np.diff(rng.standard_normal(int(rng.uniform(0.06, 0.3) * rate) + 1))
    rough = np.interp(np.linspace(0, 1, len(noise)), np.linspace(0, 1, 12), rng.random(12))
    _add(sound, int(at_s * rate), rng.uniform(0.3, 1.2) * noise * rough * np.hanning(len(noise)))


def _add(sound: np.ndarray, first: int, piece: np.ndarray) -> None:
    first = max(first, 0)
    room = len(sound) - first
    sound[first : first + len(piece)] += piece[: max(room, 0)]


def _heart(voice: Voice, time: np.ndarray) -> np.ndarray:
    beat = (time * voice.heart_hz) % 1.0 / voice.heart_hz
    first = np.exp(-(((beat - 0.05) / 0.03) ** 2)) * np.sin(2 * np.pi * 55 * beat)
    second = 0.7 * np.exp(-(((beat - 0.36) / 0.02) ** 2)) * np.sin(2 * np.pi * 80 * beat)
    return first + second


def _device_noise(device: Device, time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    hum = sum(np.sin(2 * np.pi * 50 * k * time + rng.uniform(0, 6)) / k for k in (1, 2, 3))
    whistle = rng.uniform(0, 0.03) * np.sin(2 * np.pi * rng.uniform(150, 900) * time)
    return device.hiss * rng.standard_normal(len(time)) + device.hum * hum + whistle


def _in_band(sound: np.ndarray, rate: int, band_hz: tuple[float, float]) -> np.ndarray:
    padded = rate * math.ceil(len(sound) / rate)
    hz = np.maximum(np.fft.rfftfreq(padded, 1 / rate), 1e-6)
    low, high = band_hz
    gain = 1 / np.sqrt((1 + (low / hz) ** 4) * (1 + (hz / high) ** 8))
    return np.fft.irfft(np.fft.rfft(sound, padded) * gain, padded)[: len(sound)]
