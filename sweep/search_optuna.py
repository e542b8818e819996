"""Optuna's side of a study: it proposes points, prunes on the first seed's curve, and learns mean scores."""

from __future__ import annotations

import json
import math
import random
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from data.config import ConfigError
from sweep.config import SamplerConfig, StudyConfig
from sweep.parameters import AnyParameter, FloatParameter, IntParameter
from sweep.pruning_optuna import build_pruner

REPEATS = 5
RANDOM_DRAWS = 50
ENUMERABLE = 10_000


class OptunaSearch:
    """One Optuna study, kept in `folder/optuna.journal`; an Optuna trial is a configuration.

    A trial is told COMPLETE with the mean score over all seeds, PRUNED when its first seed was stopped, and
    FAIL when a unit failed, or when it repeats an earlier one: such a trial is no configuration.
    """

    def __init__(self, config: StudyConfig, folder: Path, name: str) -> None:
        self._space = config.space
        epochs = config.space.recipe(config.enqueue[0] if config.enqueue else {}).epochs
        self._trials: dict[int, Trial] = {}
        self._known: list[dict[str, Any]] = []
        self._sampler = _build_sampler(config.sampler)
        self._random_sampler = optuna.samplers.RandomSampler(config.sampler.seed)
        self._random = random.Random(config.sampler.seed)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # Optuna warns that the file backend is experimental, which concerns its developers, not our users.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study = optuna.create_study(
                study_name=name,
                storage=JournalStorage(JournalFileBackend(str(folder / "optuna.journal"))),
                sampler=self._sampler,
                pruner=build_pruner(config.pruner, epochs),
                direction="maximize",
            )
        enqueued = [config.space.active(point) for point in config.enqueue]
        enumerated = _enumerated(config)
        planned = _distinct(enqueued + (enumerated or []))
        for point in planned:
            self._enqueue(point)
        # All that there is to find; None when there is no end of it.
        self._points = _all_points(config) if enumerated is None else planned

    def propose(self) -> dict[str, Any] | None:
        """Values of a new configuration, numbered in order of the calls; None when no new point is found."""
        if self._points is not None and len(self._known) == len(self._points):
            return None
        self._study.sampler = self._sampler
        # Samplers that learn come back to what they found good. Then chance says where to look instead.
        for _ in range(REPEATS):
            if (values := self._ask()) is not None:
                return values
        if self._points is not None:
            self._enqueue(self._random.choice([point for point in self._points if point not in self._known]))
            return self._ask()
        self._study.sampler = self._random_sampler
        for _ in range(RANDOM_DRAWS):
            if (values := self._ask()) is not None:
                return values
        return None

    def report(self, configuration: int, epoch: int, score: float) -> bool:
        """Hand on a score of the configuration's first seed; True when the pruner would stop it there."""
        trial = self._trials[configuration]
        trial.report(score, epoch)
        return trial.should_prune()

    def tell_complete(self, configuration: int, mean_score: float) -> None:
        self._study.tell(self._trials.pop(configuration), mean_score)

    def tell_pruned(self, configuration: int) -> None:
        self._study.tell(self._trials.pop(configuration), state=TrialState.PRUNED)

    def tell_failed(self, configuration: int) -> None:
        self._study.tell(self._trials.pop(configuration), state=TrialState.FAIL)

    def _enqueue(self, point: Mapping[str, Any]) -> None:
        self._study.enqueue_trial({path: _encode(value) for path, value in point.items()})

    def _ask(self) -> dict[str, Any] | None:
        """Optuna's next point, or None if it is one that the study has had."""
        trial = self._study.ask()
        values = self._space.sample(lambda path, parameter: _suggest(trial, path, parameter))
        if values in self._known:
            self._study.tell(trial, state=TrialState.FAIL)
            return None
        self._trials[len(self._known)] = trial
        self._known.append(values)
        return values


def _enumerated(config: StudyConfig) -> list[dict[str, Any]] | None:
    if config.sampler.name == "grid":
        return config.space.grid_points()
    if config.sampler.name == "one_at_a_time":
        return config.space.axis_points()
    return None


def _all_points(config: StudyConfig) -> list[dict[str, Any]] | None:
    """Every point of a search space of lists and steps, None if it is endless or too large to write out."""
    grids = [parameter.grid() for parameter in config.space.parameters.values()]
    if None in grids or math.prod(len(grid or ()) for grid in grids) > ENUMERABLE:
        return None
    return config.space.grid_points()


def _distinct(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [point for index, point in enumerate(points) if point not in points[:index]]


def _build_sampler(config: SamplerConfig) -> optuna.samplers.BaseSampler:
    classes = {
        "tpe": optuna.samplers.TPESampler,
        "random": optuna.samplers.RandomSampler,
        "gp": optuna.samplers.GPSampler,
        "qmc": optuna.samplers.QMCSampler,
    }
    # An enumeration asks the sampler for nothing; Optuna still wants one.
    kind = classes.get(config.name, optuna.samplers.RandomSampler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return kind(seed=config.seed, **config.arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"sampler.arguments: Optuna's {kind.__name__} refuses them: {error}") from error


def _suggest(trial: Trial, path: str, parameter: AnyParameter) -> Any:
    if isinstance(parameter, FloatParameter):
        value = trial.suggest_float(
            path, parameter.low, parameter.high, step=parameter.step, log=parameter.log
        )
        # Optuna's steps carry rounding errors, and equal points must be equal.
        return parameter.nearest(value)
    if isinstance(parameter, IntParameter):
        return trial.suggest_int(path, parameter.low, parameter.high, step=parameter.step, log=parameter.log)
    choices = [_encode(choice) for choice in parameter.choices]
    return parameter.choices[choices.index(trial.suggest_categorical(path, choices))]


def _encode(value: Any) -> Any:
    """Optuna's choices are plain scalars; a tuple travels as its JSON."""
    return json.dumps(value) if isinstance(value, tuple) else value
