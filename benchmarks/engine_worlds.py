"""Made-up worlds, with fixed seeds, in which a sampler has nothing to learn.

They have 100 configurations with five seeds each, or the sizes in `SIZES` and `SEED_COUNTS`.
Where speeds differ, a configuration's time constant has a standard deviation of 0.5 in its logarithm; where slow
learners end better, the time constant has a correlation of 0.5 with the last score.
"""

from __future__ import annotations

from functools import partial

from engine_cases import Case

from sweep.config.study_config import StudyConfig
from sweep.simulation.made_up_curves import SyntheticCurves, WorldConfig

CONFIGURATIONS, SEEDS, EPOCHS = 100, (1, 2, 3, 4, 5), 20
SIZES, SEED_COUNTS = (8, 20, 30, 50, 100), (3, 5)
SEED_SDS = (0.8, 1.5, 2.7)
"""In points; the last is what small networks on SPRSound were seen to have."""
LUCK_SIZES, LUCK_SEED_SDS = (8, 20, 30, 100), (1.5, 3.0)
TAILS = {"no tail": 0.0, "bad tail": 0.2}
ONE_SPEED, SLOW = "one speed", "slow ends better"
SPEEDS = {
    ONE_SPEED: {},
    "speeds differ": {"time_constant_sd": 0.5},
    SLOW: {"time_constant_sd": 0.5, "slow_is_better": 0.5},
}


def seed_cases() -> list[Case]:
    """Worlds of one epoch, in which seeds alone can be saved."""
    return [
        _case(f"{tail}, seed sd {seed_sd}", _world(tail, seed_sd), epochs=1)
        for tail in TAILS
        for seed_sd in (0.8, 1.5)
    ]


def epoch_cases() -> list[Case]:
    """Worlds of `EPOCHS` epochs."""
    return [
        _case(f"{tail}, seed sd {seed_sd}, {speed}", _world(tail, seed_sd, **SPEEDS[speed]), EPOCHS)
        for tail in TAILS
        for seed_sd in (0.8, 1.5)
        for speed in SPEEDS
        if tail == "bad tail" or speed != SLOW
    ]


def size_case(configurations: int, seeds: int, seed_sd: float) -> Case:
    """Build a study of one epoch with so many configurations and seeds, in a world with a bad tail."""
    world = _world("bad tail", seed_sd)
    return _case(f"seed sd {seed_sd}", world, 1, configurations, tuple(range(1, seeds + 1)))


def luck_case(configurations: int, seed_sd: float, tail: str, epochs: int) -> Case:
    """Build a study of so many configurations and epochs, with five seeds."""
    return _case(f"{tail}, seed sd {seed_sd}", _world(tail, seed_sd), epochs, configurations)


def _world(tail: str, seed_sd: float, **more: float) -> WorldConfig:
    return WorldConfig(landscape="none", seed_sd=seed_sd / 100, tail_share=TAILS[tail], **more)


def _case(
    name: str,
    world: WorldConfig,
    epochs: int,
    configurations: int = CONFIGURATIONS,
    seeds: tuple[int, ...] = SEEDS,
) -> Case:
    """A study of a grid of points in which there is nothing to learn, in a made-up world."""
    config = StudyConfig.model_validate(
        {
            "recipe": {"epochs": epochs},
            "search": {"batch_size": {"type": "int", "low": 2, "high": 1 + configurations}},
            "seeds": seeds,
            "sampler": {"name": "grid"},
            "budget": {"configurations": configurations},
        }
    )
    return Case(name, partial(SyntheticCurves, world, config.space), config)
