"""Proposes the points of a study, by one of Optuna's samplers or from a list, each of them once."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from typing import Any

import optuna
from optuna.trial import TrialState, create_trial

from data.quantities import counted
from data.settings import ConfigError
from sweep.config.parameters import LONGEST_GRID
from sweep.config.study_config import StudyConfig
from sweep.config.study_parts import SamplerConfig
from sweep.search.replaceable_trials import STUDY_NAME, ReplaceableTrials
from sweep.search.samplers import build_sampler, check_sampler, proposal_seed
from sweep.search.trials import TrialBuilder
from sweep.search.values import canonical, encode, suggest
from sweep.study.board import Board
from sweep.study.events import ConfigurationAdded
from sweep.study.units import Configuration

REPEATS = 5
"""So many known points may a sampler draw, one after the other, before chance draws."""
CONTRADICTIONS = 20
"""So many points that make no recipe may a sampler draw before chance draws."""
RANDOM_DRAWS = 50
"""So many known points may chance draw."""
RANDOM_CONTRADICTIONS = 2_000
"""So many points that make no recipe may chance draw."""

Key = tuple[tuple[str, Any], ...]


class OptunaSearch:
    """Proposes configurations, and learns their scores from the end of their first seed on.

    Optuna's study lives in memory and is drawn from the board: trial N is configuration N. A proposal is a function of
    the sampler's seed, the configuration's number, and what the board holds. What CMA-ES, NSGA-II and the quasi-random
    sampler want to find again in the study is part of the proposal (`ConfigurationAdded.sampler_state`), and so is on
    the board. Draws that repeat an earlier point are forgotten: they follow from the board as the proposal does.

    Raises ConfigError for a sampler that Optuna refuses or that cannot search this study.
    """

    def __init__(self, config: StudyConfig) -> None:
        self._space = config.space
        self._sampler = config.sampler
        check_sampler(config)
        self._contradicting: dict[Key, str] = {}
        """Points that make no recipe, each with the reason."""
        enqueued = [self._canonical(config.space.active(point)) for point in config.enqueue]
        enumerated = _enumerated(config)
        self._planned = self._by_key(enqueued + (enumerated or []))
        if enumerated is not None:
            self._left = dict(self._planned)
        else:
            points = _all_points(config)
            self._left = None if points is None else self._by_key(points)
        self.points = None if self._left is None else len(self._left)
        """How many points there are to find, without those that make no recipe; None when there is no end of them."""
        self._known: set[Key] = set()
        self._proposed = 0
        self._builder = TrialBuilder(config.space, config.objectives)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._trials = ReplaceableTrials(len(config.objectives))

    @property
    def skipped(self) -> str | None:
        """Say how many points met so far make no recipe, and why the first of them does not; None when all do.

        Where all points can be written out, all of them have been met from the beginning.
        """
        if not self._contradicting:
            return None
        key, reason = next(iter(self._contradicting.items()))
        first = ", ".join(f"{path}={value}" for path, value in key)
        count = len(self._contradicting)
        which = "this one" if count == 1 else "the first"
        return (
            f"skipped {counted(count, 'point')} whose values contradict each other; {which}: {first} "
            f"({'; '.join(reason.splitlines())})"
        )

    def propose(self) -> ConfigurationAdded | None:
        """Propose the next configuration, at a point that is not on the board; None when no such point is found."""
        before = self._trials.study_attrs
        values = self._new_point()
        if values is None:
            self._trials.study_attrs = before
            return None
        added = ConfigurationAdded(self._proposed, values, self._trials.written(self._proposed, before))
        self._take(Configuration(added.configuration, added.values, added.sampler_state))
        return added

    def learn(self, configuration: Configuration) -> None:
        """Let samplers see the configuration as it is now."""
        self._trials.put(configuration.number, self._builder.for_samplers(configuration))

    def restore(self, board: Board) -> None:
        """Take up all that a board holds, before the first proposal."""
        for configuration in board.configurations:
            self._trials.study_attrs = {
                **self._trials.study_attrs,
                **configuration.sampler_state.get("study", {}),
            }
            self._take(configuration)

    def _new_point(self) -> dict[str, Any] | None:
        """Find a point not proposed before. What the sampler noted stays in the draft of the trial."""
        number = self._proposed
        self._trials.put(number, create_trial(state=TrialState.RUNNING))
        if self._left is not None and not self._left:
            return None
        if self._planned:
            return dict(next(iter(self._planned.values())))
        # Samplers that learn come back to what they found good. Then chance says where to look instead.
        repeats = contradictions = 0
        while repeats < REPEATS + RANDOM_DRAWS and contradictions < CONTRADICTIONS + RANDOM_CONTRADICTIONS:
            seed = proposal_seed(self._sampler.seed, number, repeats + contradictions)
            by_chance = repeats >= REPEATS or contradictions >= CONTRADICTIONS
            if by_chance and self._left:
                return dict(random.Random(seed).choice(list(self._left.values())))
            values = self._draw(SamplerConfig(name="random") if by_chance else self._sampler, seed)
            if self._key(values) in self._known:
                repeats += 1
            elif not self._makes_recipe(values):
                contradictions += 1
            else:
                return values
            self._trials.put(number, create_trial(state=TrialState.RUNNING))
        return None

    def _draw(self, settings: SamplerConfig, seed: int) -> dict[str, Any]:
        # A new study object each time: one that has proposed keeps the trials as they were then.
        sampler = build_sampler(settings, seed)
        study = optuna.load_study(study_name=STUDY_NAME, storage=self._trials, sampler=sampler)
        trial = optuna.Trial(study, self._proposed)
        return self._space.sample(lambda path, parameter: suggest(trial, path, parameter))

    def _take(self, configuration: Configuration) -> None:
        """Note the next configuration as proposed."""
        key = self._key(configuration.values)
        self._known.add(key)
        self._planned.pop(key, None)
        if self._left is not None:
            self._left.pop(key, None)
        self._proposed += 1
        self.learn(configuration)

    def _by_key(self, points: Iterable[Mapping[str, Any]]) -> dict[Key, dict[str, Any]]:
        """Collect the points that make recipes, each once."""
        by_key: dict[Key, dict[str, Any]] = {}
        for point in points:
            if self._makes_recipe(point):
                by_key.setdefault(self._key(point), dict(point))
        return by_key

    def _makes_recipe(self, values: Mapping[str, Any]) -> bool:
        try:
            self._space.recipe(values)
        except ConfigError as error:
            self._contradicting.setdefault(self._key(values), str(error))
            return False
        return True

    def _key(self, values: Mapping[str, Any]) -> Key:
        values = self._canonical(values)
        return tuple((path, encode(values[path])) for path in sorted(values))

    def _canonical(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            path: canonical(self._space.parameters[path], values[path])
            for path in self._space.parameters
            if path in values
        }


def _enumerated(config: StudyConfig) -> list[dict[str, Any]] | None:
    """List all points in order for a sampler that goes through a list; None for other samplers."""
    if config.sampler.name == "grid":
        return config.space.grid_points()
    if config.sampler.name == "one_at_a_time":
        return config.space.axis_points()
    return None


def _all_points(config: StudyConfig) -> list[dict[str, Any]] | None:
    """List every point of a search space of lists and steps; None if it is endless or too large to write out."""
    grids = [parameter.grid() for parameter in config.space.parameters.values()]
    if None in grids or math.prod(len(grid or ()) for grid in grids) > LONGEST_GRID:
        return None
    return config.space.grid_points()
