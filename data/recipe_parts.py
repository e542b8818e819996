"""The parts of a recipe that say what training hears: features, masks, folds, batches. Free of torch."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from data.bands import Band, BandChoice, MelScale, band_indices
from data.population import Population
from data.settings import Config

FrontEnd = Literal["kaldi", "stft_db"]
Norm = Literal["per_sample", "audioset", "min_max", "beats"]
Window = Literal["hann", "povey"]
ClipPadding = Literal["repeat", "zeros"]
Fill = Literal["resize", "raw_zero"]
BandMode = Literal["drop", "fill"]

MOST_CELLS = 2**26
"""Numbers that stand in memory at once for one cycle, 256 MiB in float32."""


class FeatureConfig(Config):
    """From a cycle to the spectrogram that the model sees; defaults as in the published DASS runs."""

    sample_rate: int = Field(
        default=16000, ge=1000, le=384_000, description="Hz; every recording is resampled to it"
    )
    duration_s: float = Field(
        default=8.0, gt=0, le=60, description="s; shorter cycles are padded, longer ones cut"
    )
    padding: ClipPadding = Field(
        default="repeat", description="a shorter cycle is repeated, or lies in the middle of zeros"
    )
    fade: bool = Field(
        default=True,
        description="fade each recording in and out, and the end of each clip of repeats, over 62.5 ms; false in "
        "AST + SAM",
    )
    front_end: FrontEnd = Field(
        default="kaldi",
        description="kaldi: natural log of Kaldi's filter bank, in frames that fit whole; stft_db: mel power in dB, "
        "in frames centred on every shift, both ends reflected",
    )
    window: Window = Field(
        default="hann",
        description="of each frame; povey, Hann's to the power of 0.85, is Kaldi's own, which BEATs was trained with "
        "(kaldi only)",
    )
    n_mels: int = Field(default=128, ge=4, le=4096, description="mel bins")
    frame_length_ms: float = Field(
        default=25.0, gt=0, le=60_000, description="ms; analysis window, at most the longest duration_s"
    )
    frame_shift_ms: float = Field(
        default=10.0,
        gt=0,
        le=60_000,
        description="ms; from one frame to the next, at most the longest duration_s",
    )
    low_hz: float = Field(default=20.0, ge=0, le=192_000, description="Hz; lower edge of the lowest mel bin")
    high_hz: float | None = Field(
        default=None, gt=0, le=192_000, description="Hz; upper edge of the highest mel bin; none: Nyquist"
    )
    norm: Norm = Field(
        default="per_sample",
        description="by each spectrogram's own mean and deviation; by AudioSet's (kaldi only), audioset for "
        "waveforms up to 1 as AST has it, beats for waveforms up to 2^15, on which the floor of the log lies lower; or "
        "min_max: each spectrogram from 0 to 1",
    )
    target_frames: int | None = Field(
        default=1024,
        ge=1,
        le=1_000_000,
        description="frames after the resize in front of the model; none: as many as computed",
    )
    fill: Fill = Field(
        default="resize",
        description="how computed frames become target_frames: resize, all of them stretched or shrunk; raw_zero, "
        "frames of a log-mel of 0 are appended, as AST + SAM did from 798 to 1024, which norm audioset makes +0.467, "
        "louder than the mean of AudioSet",
    )
    storage: Literal["float32", "float16"] = Field(
        default="float32", description="number format in the feature store"
    )
    bands: tuple[Band, ...] | BandChoice | None = Field(
        default=None,
        description="mel bins that the network is given, counted from 0: a list; `{ranges: [[first, last], ...]}`, both "
        "ends kept; or `{ranking: FILE, keep: n}`, the n best in a file of respsweep bands; null: all. Spectrograms "
        "are computed, normalised and stored with all bins, and are cut when they are used",
    )
    band_mode: BandMode | None = Field(
        default=None,
        description="drop: the network sees fewer bins; fill: as many as ever, with 0 in those that are not kept; null: "
        "fill for dass, ast and beats, which drop is not for, and drop for all others",
    )

    @field_validator("bands")
    @classmethod
    def _are_indices(cls, bands: tuple[int, ...] | BandChoice | None, info: Any) -> tuple[int, ...] | None:
        names = "n_mels", "sample_rate", "low_hz", "high_hz", "front_end"
        if bands is None or not all(name in info.data for name in names):
            # What is wrong with another field is said there.
            return None
        return band_indices(bands, _mel_scale({name: info.data[name] for name in names}))

    @model_validator(mode="after")
    def _fits_together(self) -> FeatureConfig:
        nyquist, top = self.sample_rate / 2, self.high_hz
        if top is not None and top > nyquist:
            raise ValueError(f"high_hz must not exceed half of sample_rate ({nyquist:g} Hz), got {top:g}")
        if self.low_hz >= (top or nyquist):
            raise ValueError(
                f"low_hz must lie below the highest frequency ({top or nyquist:g} Hz), got {self.low_hz:g}"
                f"{self.by_default('low_hz')}"
            )
        if self.window_samples < 2 or self.shift_samples < 1:
            raise ValueError(
                f"frame_length_ms must span 2 samples and frame_shift_ms 1, at {self.sample_rate} Hz, "
                f"got {self.frame_length_ms:g}{self.by_default('frame_length_ms')} and {self.frame_shift_ms:g}"
                f"{self.by_default('frame_shift_ms')}"
            )
        if self.samples < self.window_samples:
            raise ValueError(
                f"duration_s must hold a frame of {self.frame_length_ms:g} ms{self.by_default('frame_length_ms')}, "
                f"got {self.duration_s:g}{self.by_default('duration_s')}"
            )
        if max(self.frames, self.n_mels) * self.fft_samples > MOST_CELLS:
            raise ValueError(
                f"{self.frames} frames of {self.fft_samples} samples in {self.n_mels} mel bins are more than a machine "
                f"should hold for a cycle; expected frames times samples, and bins times samples, up to {MOST_CELLS:,}"
            )
        cells = self.n_mels * max(self.frames, self.target_frames or 0)
        if cells > MOST_CELLS:
            raise ValueError(
                f"a spectrogram of {cells:,} cells (n_mels times frames or target_frames) is more than a machine "
                f"should hold for a cycle; expected up to {MOST_CELLS:,}"
            )
        line_hz = self.sample_rate / self.fft_samples
        if (math.floor(self.low_hz / line_hz) + 1) * line_hz >= (top or nyquist):
            raise ValueError(
                f"no line of the FFT, one every {line_hz:g} Hz, lies between low_hz {self.low_hz:g}"
                f"{self.by_default('low_hz')} and the highest frequency {top or nyquist:g}, so every spectrogram "
                "would be constant; take a wider band, or a "
                f"frame_length_ms longer than {self.frame_length_ms:g}{self.by_default('frame_length_ms')}"
            )
        if self.norm in ("audioset", "beats") and self.front_end != "kaldi":
            raise ValueError(
                f"norm {self.norm} has the statistics of front_end kaldi; with {self.front_end}, norm must be "
                "per_sample or min_max"
            )
        if self.window != "hann" and self.front_end != "kaldi":
            raise ValueError(
                f"window {self.window} is for front_end kaldi; with {self.front_end} it must be hann"
            )
        if self.fill == "raw_zero":
            self._check_fill()
        return self

    def _check_fill(self) -> None:
        if self.norm != "audioset":
            why = (
                "no published system fills so"
                if self.norm == "beats"
                else "the frames appended would change how all others are normalised"
            )
            raise ValueError(
                f"fill raw_zero wants norm audioset: with {self.norm}{self.by_default('norm')}, {why}; take norm "
                "audioset, or fill resize"
            )
        if self.target_frames is None or self.target_frames < self.frames:
            raise ValueError(
                f"fill raw_zero appends frames to the {self.frames} computed, so target_frames must be at least "
                f"{self.frames}, got {self.target_frames or 'null'}"
                f"{self.by_default('target_frames')}"
            )

    @property
    def samples(self) -> int:
        """Samples in a clip."""
        return round(self.duration_s * self.sample_rate)

    @property
    def window_samples(self) -> int:
        """Samples in a frame."""
        return int(self.sample_rate * self.frame_length_ms * 0.001)

    @property
    def fft_samples(self) -> int:
        """Points of the FFT: the samples in a frame, for kaldi filled up with zeros to a power of two."""
        return (
            1 << (self.window_samples - 1).bit_length() if self.front_end == "kaldi" else self.window_samples
        )

    @property
    def shift_samples(self) -> int:
        """Samples from one frame to the next."""
        return int(self.sample_rate * self.frame_shift_ms * 0.001)

    @property
    def frames(self) -> int:
        """Frames of a clip of 8 s: 798 (kaldi, 25 ms every 10 ms), 251 (stft_db, 64 ms every 32 ms)."""
        if self.front_end == "stft_db":
            return 1 + (self.samples - self.window_samples % 2) // self.shift_samples
        return 1 + (self.samples - self.window_samples) // self.shift_samples

    @property
    def kept_bands(self) -> tuple[int, ...] | None:
        """Indices of the mel bins that are kept, rising; None: all."""
        assert not isinstance(self.bands, BandChoice)
        return self.bands

    @property
    def all_bands(self) -> FeatureConfig:
        """These settings with all bands: what is computed and stored."""
        return self.model_copy(update={"bands": None, "band_mode": None})

    @property
    def mel_scale(self) -> MelScale:
        """Which frequencies the mel bins are."""
        return _mel_scale(self.model_dump(include=set(MelScale.model_fields)))

    @property
    def input_shape(self) -> tuple[int, int]:
        """(frames, mel bins) of a spectrogram with all its bins, after the resize or the fill."""
        return (self.target_frames or self.frames, self.n_mels)


def _mel_scale(settings: dict[str, Any]) -> MelScale:
    nyquist = settings["sample_rate"] / 2
    return MelScale.model_validate({**settings, "high_hz": settings["high_hz"] or nyquist})


class SpecAugmentConfig(Config):
    """Masks drawn anew for every sample of every batch, without time warp.

    The published ICBHI runs apply them to 84.13 % of samples, by comparing 1.0 with a normal draw; their
    paper says always, and so does the default.

    Reference: Park et al., "SpecAugment", https://arxiv.org/abs/1904.08779
    """

    probability: float = Field(default=1.0, ge=0, le=1, description="share of samples that are masked at all")
    time_masks: int = Field(default=2, ge=0, le=1000, description="time masks in a sample")
    time_width: int = Field(
        default=160, ge=0, le=1_000_000, description="frames; widths are drawn from 0 to one less"
    )
    frequency_masks: int = Field(default=2, ge=0, le=1000, description="frequency masks in a sample")
    frequency_width: int = Field(
        default=48, ge=0, le=4096, description="mel bins; widths are drawn from 0 to one less"
    )

    @property
    def is_on(self) -> bool:
        """Whether any cell may be masked."""
        of_time = self.time_masks and self.time_width > 1
        return self.probability > 0 and bool(of_time or (self.frequency_masks and self.frequency_width > 1))


class WaveformAugmentConfig(Config):
    """Gain and white noise, drawn anew for every cycle of every training batch; both are off unless named.

    AST + SAM (arXiv 2512.22564) has gain 0.1 and noise 1e-4. Features are stored, so log-mels are changed as their
    waveforms would change them, which needs `features.norm: audioset`: exactly by gain but at the floor of the log, and
    by noise exactly in mean power and nearly in its spread (`data.waveform_augment`).
    """

    gain: float = Field(
        default=0.0, ge=0, le=0.9, description="a cycle is made 1 - gain to 1 + gain times as loud; 0: off"
    )
    gain_probability: float = Field(default=0.5, ge=0, le=1, description="share of cycles with a gain")
    noise: float = Field(
        default=0.0, ge=0, le=1, description="standard deviation of the noise, full scale being 1; 0: off"
    )
    noise_probability: float = Field(default=0.5, ge=0, le=1, description="share of cycles with noise")

    @property
    def is_on(self) -> bool:
        """Whether any cycle may be changed."""
        return self.gain > 0 or self.noise > 0


class FoldConfig(Config):
    """Which patients of the training part are held out for validation."""

    folds: int = Field(default=5, ge=2, le=1000, description="number of folds")
    fold: int | None = Field(
        default=0,
        ge=0,
        lt=1000,
        description="the one that validates, counted from 0; null: all are trained on, and scored on what they learned",
    )
    seed: int = Field(
        default=0, ge=0, le=2**31, description="first random state that is tried; a state is a 32-bit number"
    )
    population: Population = Field(
        default="all",
        description="whose cycles of that fold, and of the test part, are scored: all, child (under 18 years), adult, "
        "or [low, high] in years, without high; patients without an age count to all alone (docs/systems.md)",
    )

    @model_validator(mode="after")
    def _fold_exists(self) -> FoldConfig:
        if self.fold is not None and self.fold >= self.folds:
            raise ValueError(
                f"fold must be below folds: {self.folds}{self.by_default('folds')}, got {self.fold}"
            )
        return self


class BatchSamplerConfig(Config):
    """How an epoch draws its cycles."""

    name: Literal["shuffle", "weighted"] = Field(
        default="shuffle", description="every cycle once, or draws with replacement that favour rare classes"
    )
    power: float = Field(
        default=1.0,
        ge=0,
        le=10,
        description="weighted: a class of n cycles is drawn n^(1-power) times as often; 1: all alike; beyond 10 the "
        "chance of a common class is no number",
    )
    drop_last: bool = Field(
        default=True, description="leave out the last batch of an epoch when it is not full"
    )
