"""What is said to a sampler or pruner is checked when the study file is read."""

import inspect
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from data.settings import Config, ConfigError
from sweep.config.search_arguments import PRUNER_ARGUMENTS, SAMPLER_ARGUMENTS
from sweep.config.study_config import read_study
from sweep.config.study_parts import PrunerConfig, SamplerConfig
from sweep.search.forecast_pruner import ForecastPruner
from sweep.search.pruners import build_pruner
from sweep.search.samplers import build_sampler

CLASSES: dict[str, type] = {
    "tpe": optuna.samplers.TPESampler,
    "gp": optuna.samplers.GPSampler,
    "cmaes": optuna.samplers.CmaEsSampler,
    "nsga2": optuna.samplers.NSGAIISampler,
    "qmc": optuna.samplers.QMCSampler,
    "forecast": ForecastPruner,
    "median": optuna.pruners.MedianPruner,
    "percentile": optuna.pruners.PercentilePruner,
    "hyperband": optuna.pruners.HyperbandPruner,
    "successive_halving": optuna.pruners.SuccessiveHalvingPruner,
    "threshold": optuna.pruners.ThresholdPruner,
    "patient": optuna.pruners.PatientPruner,
}
ARGUMENTS: dict[str, type[Config]] = {**SAMPLER_ARGUMENTS, **PRUNER_ARGUMENTS}


def read(path: Path, **settings: Any) -> Any:
    study = {"search": {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}}, **settings}
    path.write_text(yaml.safe_dump(study))
    return read_study(path)


@pytest.mark.parametrize(
    ("part", "name", "arguments", "complaint"),
    [
        ("sampler", "tpe", {"startup": 3}, "startup: no such field; did you mean n_startup_trials?"),
        ("sampler", "tpe", {"seed": 3}, "seed: no such field"),
        ("sampler", "tpe", {"n_startup_trials": "x"}, "n_startup_trials: must be a whole number, got 'x'"),
        ("sampler", "tpe", {"n_startup_trials": 1.5}, "n_startup_trials: must be"),
        ("sampler", "tpe", {"n_startup_trials": True}, "n_startup_trials: must be a whole number, got true"),
        (
            "sampler",
            "tpe",
            {"n_ei_candidates": 10**9},
            "n_ei_candidates: must be less than or equal to 100000",
        ),
        ("sampler", "tpe", {"n_ei_candidates": 0}, "n_ei_candidates: must be greater than or equal to 1"),
        ("sampler", "tpe", {"gamma": "lambda n: n"}, "gamma: no such field"),
        ("sampler", "cmaes", {"popsize": 10**7}, "popsize: must be less than or equal to 10000"),
        ("sampler", "cmaes", {"sigma0": 1.0}, "sigma0: no such field"),
        ("sampler", "nsga2", {"mutation_prob": 3}, "mutation_prob: must be less than or equal to 1"),
        (
            "sampler",
            "nsga2",
            {"population_size": 10**9},
            "population_size: must be less than or equal to 10000",
        ),
        ("sampler", "qmc", {"qmc_type": "dice"}, "qmc_type: must be 'sobol' or 'halton', got 'dice'"),
        ("sampler", "random", {"n_startup_trials": 3}, "n_startup_trials: no such field"),
        ("sampler", "grid", {"points": 3}, "points: no such field"),
        ("pruner", "median", {"warmup": 3}, "warmup: no such field; did you mean n_warmup_steps?"),
        ("pruner", "median", {"patience": 3}, "patience: no such field"),
        ("pruner", "median", {"interval_steps": 0}, "interval_steps: must be greater than or equal to 1"),
        (
            "pruner",
            "percentile",
            {"percentile": 300},
            "percentile: must be less than or equal to 100, got 300",
        ),
        ("pruner", "forecast", {"p": 0.7}, "p: must be less than 0.5, got 0.7"),
        ("pruner", "forecast", {"epochs": 3}, "epochs: no such field"),
        ("pruner", "hyperband", {"max_resource": "all"}, "max_resource: must be"),
        (
            "pruner",
            "successive_halving",
            {"reduction_factor": 1},
            "reduction_factor: must be greater",
        ),
        ("pruner", "threshold", {"lower": "low"}, "lower: must be a number or null, got 'low'"),
        ("pruner", "patient", {"wrapped_pruner": "median"}, "wrapped_pruner: must be settings such as"),
        ("pruner", "patient", {"wrapped_pruner": {"nmae": "median"}}, "wrapped_pruner: nmae: no such field"),
        (
            "pruner",
            "patient",
            {"wrapped_pruner": {"name": "median", "arguments": {"warmup": 3}}},
            "wrapped_pruner: arguments: warmup: no such field",
        ),
        ("pruner", "none", {"n_startup_trials": 3}, "n_startup_trials: no such field"),
    ],
)
def test_an_argument_that_would_fail_later_is_one_line_with_its_field(
    tmp_path: Path, part: str, name: str, arguments: dict[str, Any], complaint: str
) -> None:
    path = tmp_path / "study.yaml"
    with pytest.raises(ConfigError) as refused:
        read(path, **{part: {"name": name, "arguments": arguments}})
    assert str(refused.value).startswith(f"{path}: {part}.arguments: {complaint}")
    assert "\n" not in str(refused.value)


def test_several_wrong_arguments_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"arguments: p: must be .*; at_least: must be"):
        read(tmp_path / "study.yaml", pruner={"name": "forecast", "arguments": {"p": 2, "at_least": 0}})


def test_what_was_given_is_kept_and_nothing_else(tmp_path: Path) -> None:
    given = {
        "name": "patient",
        "arguments": {"wrapped_pruner": {"name": "median", "arguments": {"n_min_trials": 2}}},
    }
    assert read(tmp_path / "study.yaml", pruner=given).pruner.arguments == given["arguments"]
    assert SamplerConfig(arguments={"n_startup_trials": "4"}).arguments == {"n_startup_trials": 4}
    assert SamplerConfig().arguments == PrunerConfig().arguments == {}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_optuna_has_each_argument_and_takes_it(name: str) -> None:
    fields = ARGUMENTS[name].model_fields
    assert fields.keys() <= inspect.signature(CLASSES[name]).parameters.keys()
    for field, default in fields.items():
        arguments = {field: default.default}
        if name == "threshold":
            arguments |= {"upper": 0.5}
        if name in SAMPLER_ARGUMENTS:
            assert build_sampler(SamplerConfig.model_validate({"name": name, "arguments": arguments}), 1)
        else:
            assert build_pruner(PrunerConfig.model_validate({"name": name, "arguments": arguments}), 9)
