"""Optuna's samplers by name, each built for one proposal."""

from __future__ import annotations

import random
import warnings
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from data.settings import ConfigError
from sweep.config.parameters import CategoricalParameter
from sweep.config.study_config import StudyConfig
from sweep.config.study_parts import SamplerConfig
from sweep.search.sampler_state import CmaEsSampler


class NSGAIISampler(optuna.samplers.NSGAIISampler):
    """Optuna's NSGA-II that bears with a parent of which a further seed failed since the parent was chosen."""

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        chosen = super().get_parent_population(study, generation)
        return [trial for trial in chosen if trial.state is TrialState.COMPLETE]


_SAMPLERS: dict[str, Any] = {
    "tpe": optuna.samplers.TPESampler,
    "gp": optuna.samplers.GPSampler,
    "cmaes": CmaEsSampler,
    "nsga2": NSGAIISampler,
    "qmc": optuna.samplers.QMCSampler,
    "random": optuna.samplers.RandomSampler,
    # An enumeration asks the sampler for nothing; Optuna still wants one.
    "grid": optuna.samplers.RandomSampler,
    "one_at_a_time": optuna.samplers.RandomSampler,
}


def build_sampler(config: SamplerConfig, seed: int) -> BaseSampler:
    """Build one of Optuna's samplers for a single proposal, which is a function of `seed` and the study.

    Raises ConfigError when Optuna refuses the arguments.
    """
    arguments: dict[str, Any] = {}
    if config.name == "tpe":
        arguments["constant_liar"] = True
    if config.name in ("gp", "qmc", "cmaes"):
        # What these cannot model they draw at random, which is as it should be.
        arguments["warn_independent_sampling"] = False
    if config.name == "qmc":
        # The sequence stays the same for all proposals, and the study holds how far it has come.
        arguments["independent_sampler"] = optuna.samplers.RandomSampler(seed)
        seed = config.seed
    kind = _SAMPLERS[config.name]
    try:
        # Optuna warns that some are experimental, which concerns its developers, not our users.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return kind(seed=seed, **{**arguments, **config.arguments})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"sampler.arguments: Optuna's {kind.__name__} refuses them: {error}") from error


def check_sampler(config: StudyConfig) -> None:
    """Raise ConfigError unless the sampler can search the study."""
    build_sampler(config.sampler, config.sampler.seed)
    if config.sampler.name != "cmaes":
        return
    if len(config.objectives) > 1:
        raise ConfigError("sampler: cmaes searches for one objective; tpe, gp and nsga2 search for two")
    ranges = [p for p in config.space.parameters.values() if not isinstance(p, CategoricalParameter)]
    if not ranges:
        raise ConfigError(
            "sampler: cmaes needs a range to move in, and this study has lists only; tpe needs none"
        )


def proposal_seed(study_seed: int, configuration: int, attempt: int) -> int:
    """Derive the seed of one proposal: 32 bits, unlike the seed of any other proposal."""
    return random.Random(f"{study_seed} {configuration} {attempt}").getrandbits(32)
