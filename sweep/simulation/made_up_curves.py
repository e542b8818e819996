"""The learning curves of a simulated study, made up for a search space."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, Self

import numpy as np
from pydantic import Field, model_validator

from data.settings import Config
from evidence.scores import harmonic_score
from sweep.config.parameters import AnyParameter, CategoricalParameter
from sweep.config.search_space import SearchSpace
from sweep.study.score_table import METRICS

WAVES = 64
LENGTH_SCALE = 0.5
"""Distance, in a search space of sides 1, over which a smooth landscape changes."""
DRAWS = 256
"""Number of points from which a smooth landscape's mean and deviation are taken."""
HALF_GAP, HALF_GAP_SD, HALF_GAP_SEED_SD = 0.20, 0.05, 0.02
"""Half of specificity minus sensitivity: its mean, its sd between configurations, its sd between seeds."""
ANY_ABNORMAL_GAIN = 0.06


class LearningCurves(Protocol):
    """What training would report in one simulated world; answers depend on neither order nor number of questions."""

    points: Sequence[Mapping[str, Any]] | None
    """The points of the search space that have curves; None means all points."""
    note: str
    """Says in one line where the curves are from, and what of them is made up."""
    epoch_seconds: float | None
    """Seconds that an epoch is taken to last, as in the settings of a made-up world; None where epochs were timed."""

    def curve(self, values: Mapping[str, Any], seed: int, epochs: int) -> np.ndarray:
        """Rates of a unit, (epochs, METRICS), as fractions."""
        ...

    def quality(self, values: Mapping[str, Any], metric: str = "score") -> float:
        """True score of a configuration: the mean over endless seeds at the last epoch, a fraction.

        `metric`: the number that a study ranks by, if that is another one.
        """
        ...

    def seconds(self, values: Mapping[str, Any]) -> float:
        """Seconds that an epoch takes."""
        ...


class WorldConfig(Config):
    """Learning curves made up for a search space; scores are fractions, and their defaults ICBHI's magnitudes."""

    landscape: Literal["smooth", "none"] = Field(
        default="smooth",
        description="smooth: neighbours in the search space score alike; none: a sampler has nothing to learn",
    )
    mean: float = Field(default=0.55, gt=0, lt=1, description="of the configurations, without the bad tail")
    config_sd: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="between configurations, without the bad tail and endless seeds each",
    )
    tail_share: float = Field(
        default=0.2, ge=0, lt=1, description="configurations that are bad on top of that"
    )
    tail_depth: float = Field(
        default=0.10, ge=0, le=1, description="mean of how much worse these are; exponential"
    )
    seed_sd: float = Field(
        default=0.015, ge=0, le=1, description="between the seeds of a configuration, at any epoch"
    )
    epoch_sd: float = Field(
        default=0.005, ge=0, le=1, description="the part of seed_sd that is drawn anew at every epoch"
    )
    start: float = Field(default=0.45, gt=0, lt=1, description="score before the first epoch")
    time_constant: float = Field(
        default=0.15, gt=0, description="in which a curve comes 63 % of its way, as a share of all epochs"
    )
    time_constant_sd: float = Field(
        default=0.0, ge=0, le=10, description="between configurations, of its natural logarithm"
    )
    slow_is_better: float = Field(
        default=0.0, ge=-1, le=1, description="correlation of that logarithm with the last score"
    )
    epoch_seconds: float = Field(default=60.0, gt=0)
    epoch_seconds_sd: float = Field(
        default=0.0, ge=0, le=10, description="between configurations, of its natural logarithm"
    )

    @model_validator(mode="after")
    def _epochs_are_part_of_seeds(self) -> Self:
        if self.epoch_sd > self.seed_sd:
            raise ValueError(
                f"epoch_sd {self.epoch_sd:g}{self.by_default('epoch_sd')} is a part of seed_sd, which is only "
                f"{self.seed_sd:g}{self.by_default('seed_sd')}"
            )
        return self

    @property
    def note(self) -> str:
        """Says in one line what is made up; how long an epoch takes is left out."""
        return (
            f"made-up curves: landscape {self.landscape}, sd {100 * self.config_sd:g} points between configurations "
            f"and {100 * self.seed_sd:g} between seeds, {100 * self.tail_share:g} % in a bad tail"
        )


class SyntheticCurves:
    """Curves of one made-up world, which is a function of the number `simulation`.

    score(epoch) = start + (quality - start) (1 - exp(-epoch / t)) / (1 - exp(-epochs / t)) + seed + noise(epoch)

    with t the configuration's time constant.
    """

    points: Sequence[Mapping[str, Any]] | None = None

    def __init__(self, world: WorldConfig, space: SearchSpace, simulation: int) -> None:
        self._world = world
        self._simulation = simulation
        self._landscape = None if world.landscape == "none" else _Landscape(space, simulation)
        self._configurations: dict[str, tuple[float, float, float]] = {}
        self._curves: dict[tuple[str, int, int], np.ndarray] = {}
        self.epoch_seconds: float | None = world.epoch_seconds
        self.note = f"{world.note}; an epoch is taken to last {world.epoch_seconds:g} s"

    def curve(self, values: Mapping[str, Any], seed: int, epochs: int) -> np.ndarray:
        key = point_key(values), seed, epochs
        if key not in self._curves:
            self._curves[key] = self._curve(values, seed, epochs)
        return self._curves[key]

    def quality(self, values: Mapping[str, Any], metric: str = "score") -> float:
        quality, _, half_gap = self._configuration(values)
        return float(ranked(_rates(np.array([quality]), half_gap), metric)[0])

    def seconds(self, values: Mapping[str, Any]) -> float:
        random = generator("seconds", self._simulation, point_key(values))
        return self._world.epoch_seconds * math.exp(self._world.epoch_seconds_sd * random.standard_normal())

    def _curve(self, values: Mapping[str, Any], seed: int, epochs: int) -> np.ndarray:
        world, key = self._world, point_key(values)
        quality, time_constant, half_gap = self._configuration(values)
        random = generator("unit", self._simulation, key, seed)
        offset = math.sqrt(world.seed_sd**2 - world.epoch_sd**2) * random.standard_normal()
        half_gap += HALF_GAP_SEED_SD * random.standard_normal()
        noise = world.epoch_sd * random.standard_normal(epochs)
        passed = np.arange(1, epochs + 1) / epochs / time_constant
        risen = -np.expm1(-passed) / -math.expm1(-1 / time_constant)
        score = np.clip(world.start + (quality - world.start) * risen + offset + noise, 0.0, 1.0)
        return _rates(score, half_gap)

    def _configuration(self, values: Mapping[str, Any]) -> tuple[float, float, float]:
        """Draw a configuration's quality, time constant and half the gap between its rates."""
        key = point_key(values)
        if key not in self._configurations:
            world = self._world
            random = generator("configuration", self._simulation, key)
            height, speed, gap = random.standard_normal(3)
            below = random.random()
            if self._landscape is not None:
                height, below = self._landscape.at(values)
            quality = world.mean + world.config_sd * height
            if below < world.tail_share:
                # Exponential: the share of the tail that lies deeper falls by e every `tail_depth`.
                quality += world.tail_depth * math.log(max(below, 1e-9) / world.tail_share)
            speed = world.slow_is_better * height + math.sqrt(1 - world.slow_is_better**2) * speed
            time_constant = world.time_constant * math.exp(world.time_constant_sd * speed)
            self._configurations[key] = (
                float(min(max(quality, 0.0), 1.0)),
                time_constant,
                HALF_GAP + HALF_GAP_SD * gap,
            )
        return self._configurations[key]


def ranked(rates: np.ndarray, metric: str) -> np.ndarray:
    """The number that a study ranks by, (epochs,), of the rates of each epoch, (epochs, METRICS)."""
    if metric == "harmonic_score":
        return harmonic_score(rates[:, METRICS.index("specificity")], rates[:, METRICS.index("sensitivity")])
    return rates[:, METRICS.index(metric)]


def _rates(score: np.ndarray, half_gap: float) -> np.ndarray:
    """Make all rates, (epochs, METRICS), of scores, (epochs,), and half of specificity minus sensitivity."""
    gap = np.minimum(abs(half_gap), np.minimum(score, 1 - score))
    rates = {
        "score": score,
        "sensitivity": score - gap,
        "specificity": score + gap,
        "any_abnormal_score": np.minimum(score + ANY_ABNORMAL_GAIN, 1.0),
    }
    return np.stack([rates[name] for name in METRICS], axis=1)


def point_key(values: Mapping[str, Any]) -> str:
    """Write a point as text; equal points give equal text."""
    return repr(sorted(values.items()))


def generator(*what: Any) -> np.random.Generator:
    """Make the random numbers for one purpose, `what`; purposes with different repr draw independently."""
    digest = hashlib.blake2b(repr(what).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


class _Landscape:
    """Two smooth random functions of a point: a height (mean 0, sd 1 over the space) and a place in [0, 1].

    Each is a sum of random plane waves, which has normal values and a Gaussian covariance.

    Reference: Rahimi & Recht, "Random features for large-scale kernel machines", NeurIPS 2007
    """

    def __init__(self, space: SearchSpace, simulation: int) -> None:
        self._space = space
        random = generator("landscape", simulation)
        draws = [space.sample(lambda _, parameter: _draw(parameter, random)) for _ in range(DRAWS)]
        sides = len(_coordinates(space, draws[0]))
        self._frequencies = random.standard_normal((2, WAVES, sides)) / LENGTH_SCALE
        self._phases = random.uniform(0, 2 * math.pi, (2, WAVES))
        drawn = np.array([self._waves(values) for values in draws])
        self._mean, self._sd = drawn[:, 0].mean(), drawn[:, 0].std()
        self._places = np.sort(drawn[:, 1])

    def at(self, values: Mapping[str, Any]) -> tuple[float, float]:
        height, place = self._waves(values)
        # A space of one point has no deviation.
        height = (height - self._mean) / (self._sd or 1.0)
        return float(height), float(np.interp(place, self._places, (np.arange(DRAWS) + 0.5) / DRAWS))

    def _waves(self, values: Mapping[str, Any]) -> np.ndarray:
        return np.cos(self._frequencies @ _coordinates(self._space, values) + self._phases).sum(1)


def _draw(parameter: AnyParameter, random: np.random.Generator) -> Any:
    if isinstance(parameter, CategoricalParameter):
        return parameter.choices[random.integers(len(parameter.choices))]
    if parameter.log:
        value = math.exp(random.uniform(math.log(parameter.low), math.log(parameter.high)))
    else:
        value = random.uniform(parameter.low, parameter.high)
    return value if isinstance(parameter.low, float) else round(value)


def _coordinates(space: SearchSpace, values: Mapping[str, Any]) -> np.ndarray:
    """Place a point in a cube of sides 1: a coordinate for a range, one for each choice of a list.

    A field whose condition does not hold lies in the middle.
    """
    coordinates: list[float] = []
    for path, parameter in space.parameters.items():
        if isinstance(parameter, CategoricalParameter):
            coordinates += [float(path in values and values[path] == choice) for choice in parameter.choices]
        elif path not in values or parameter.low == parameter.high:
            coordinates.append(0.5)
        else:
            low, value, high = parameter.low, values[path], parameter.high
            if parameter.log:
                low, value, high = math.log(low), math.log(value), math.log(high)
            coordinates.append((value - low) / (high - low))
    return np.array(coordinates)
