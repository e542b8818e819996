"""Optuna's side of a study: it proposes points, and learns their scores from the first seed on."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from data.settings import ConfigError
from sweep.config.study_config import SamplerConfig, StudyConfig
from sweep.search.samplers import build_sampler, check_sampler, proposal_seed
from sweep.search.trial_log import InterimStorage, reopen
from sweep.search.values import canonical, distribution, encode, suggest
from sweep.study.board import Board
from sweep.study.units import Configuration, Fate, State, Unit

REPEATS = 5
RANDOM_DRAWS = 50
ENUMERABLE = 10_000

Key = tuple[tuple[str, Any], ...]


class OptunaSearch:
    """One Optuna study, kept in the file `path`, or in memory without one; an Optuna trial is a configuration.

    In the file a trial is RUNNING until its configuration is settled, then COMPLETE with the mean over its seeds,
    PRUNED when it was pruned or dropped, FAIL when a unit failed or when it repeats an earlier one. Samplers see the
    mean over the seeds so far from the first on. A proposal depends on the sampler's seed, the configuration's number
    and what the study holds, and on nothing that a new driver would not know.

    Raises ConfigError for a sampler that Optuna refuses or that cannot search this study.
    """

    def __init__(self, config: StudyConfig, name: str, path: Path | None = None) -> None:
        self._name = name
        self._path = path
        self._space = config.space
        self._objectives = config.objectives
        self._sampler = config.sampler
        check_sampler(config)
        enqueued = [self._canonical(config.space.active(point)) for point in config.enqueue]
        enumerated = _enumerated(config)
        self._planned = self._by_key(enqueued + (enumerated or []))
        points = _all_points(config) if enumerated is None else self._planned.values()
        self._left = None if points is None else self._by_key(points)
        self.points = None if self._left is None else len(self._left)
        """How many points there are to find; None when there is no end of them."""
        self._trials: list[int] = []
        self._known: set[Key] = set()
        self._asked: tuple[int, dict[str, Any]] | None = None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._open()

    def propose(self) -> dict[str, Any] | None:
        """Values of a new configuration, numbered in order of the calls; None when no new point is found."""
        with self._storage.together():
            found = self._asked or self._find()
            if found is None:
                return None
            self._asked = None
            trial_id, values = found
            self._storage.set_trial_user_attr(trial_id, "configuration", len(self._trials))
            self._take(trial_id, values)
        return values

    def learn(self, configuration: Configuration) -> None:
        """From now on samplers know the mean over the seeds that have finished."""
        means = self._means(configuration)
        if means is None:
            return
        trial_id = self._trials[configuration.number]
        self._describe(configuration)
        self._storage.show(trial_id, means)

    def settle(self, configuration: Configuration, fate: Fate) -> None:
        """Tell Optuna what has become of a configuration of which nothing will run any more."""
        trial_id = self._trials[configuration.number]
        state, values = self._verdict(configuration, fate)
        if not self._storage.get_trial(trial_id).state.is_finished():
            with self._storage.together():
                self._describe(configuration)
                if (reason := _reason(configuration)) is not None:
                    self._storage.set_trial_user_attr(trial_id, "reason", reason)
                self._storage.set_trial_state_values(trial_id, state, values)
        if fate is Fate.DROPPED and values is not None:
            # Its scores are of full length, so samplers learn more from them than that it was dropped.
            self._storage.show(trial_id, values)
        else:
            self._storage.hide(trial_id)

    def restore(self, board: Board) -> None:
        """Bring the stored study in line with the board, which is the truth, before the first proposal of a driver."""
        stored = self._match(board)
        contradicting = [
            trial._trial_id
            for trial, configuration in zip(stored, board.configurations, strict=True)
            if trial is not None
            and trial.state.is_finished()
            and (trial.state, trial.values) != self._verdict(configuration, board.fate(configuration.number))
        ]
        if contradicting and self._path is not None:
            reopen(self._path, contradicting)
            self._open()
            stored = self._match(board)
        with self._storage.together():
            for trial, configuration in zip(stored, board.configurations, strict=True):
                self._take(self._kept(configuration, trial), configuration.values)
                fate = board.fate(configuration.number)
                if fate is Fate.OPEN:
                    self.learn(configuration)
                else:
                    self.settle(configuration, fate)
            self._end_strays()

    def _open(self) -> None:
        self._storage = InterimStorage(self._path)
        held = self._storage.get_all_studies()
        if held:
            # Whatever its name: folders are renamed.
            self._study = optuna.load_study(study_name=held[0].study_name, storage=self._storage)
        else:
            directions = [StudyDirection.MAXIMIZE] * len(self._objectives)
            self._study = optuna.create_study(
                study_name=self._name, storage=self._storage, directions=directions
            )
        if len(self._study.directions) != len(self._objectives):
            raise ConfigError(
                f"objective: {self._path} holds a study of {len(self._study.directions)} objectives, not of "
                f"{' and '.join(self._objectives)}; give this one another name"
            )

    def _find(self) -> tuple[int, dict[str, Any]] | None:
        """Optuna's trial and its values at a new point."""
        if self._left is not None and not self._left:
            return None
        # Samplers that learn come back to what they found good. Then chance says where to look instead.
        for attempt in range(REPEATS + RANDOM_DRAWS):
            seed = proposal_seed(self._sampler.seed, len(self._trials), attempt)
            settings = self._sampler if attempt < REPEATS else SamplerConfig(name="random")
            self._study.sampler = build_sampler(settings, seed)
            if self._planned:
                self._enqueue(next(iter(self._planned.values())))
            elif attempt >= REPEATS and self._left:
                self._enqueue(random.Random(seed).choice(list(self._left.values())))
            trial = self._study.ask()
            values = self._space.sample(lambda path, parameter, trial=trial: suggest(trial, path, parameter))
            if self._key(values) not in self._known:
                return trial._trial_id, values
            self._study.tell(trial, state=TrialState.FAIL)
        return None

    def _enqueue(self, point: Mapping[str, Any]) -> None:
        # One that a killed driver left in the queue is asked for first.
        if not self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            self._study.enqueue_trial({path: encode(value) for path, value in point.items()})

    def _take(self, trial_id: int, values: Mapping[str, Any]) -> None:
        """The next configuration is this trial."""
        key = self._key(values)
        self._trials.append(trial_id)
        self._known.add(key)
        self._planned.pop(key, None)
        if self._left is not None:
            self._left.pop(key, None)

    def _describe(self, configuration: Configuration) -> None:
        """Write what can be shown of an unfinished trial: the first seed's curve, the mean score and its seeds."""
        trial = self._storage.get_trial(self._trials[configuration.number])
        if trial.state.is_finished():
            return
        with self._storage.together():
            for step, score in self._curve(configuration).items():
                if step not in trial.intermediate_values:
                    self._storage.set_trial_intermediate_value(trial._trial_id, step, score)
            summary = configuration.summary("score")
            if summary is not None:
                for key, value in (("score_mean", summary.mean), ("seeds", summary.seeds)):
                    if trial.user_attrs.get(key) != value:
                        self._storage.set_trial_user_attr(trial._trial_id, key, value)

    def _verdict(self, configuration: Configuration, fate: Fate) -> tuple[TrialState, list[float] | None]:
        """State and values of the trial of a configuration with that fate."""
        match fate:
            case Fate.COMPLETE:
                return TrialState.COMPLETE, self._means(configuration)
            case Fate.DROPPED:
                return TrialState.PRUNED, self._means(configuration)
            case Fate.PRUNED:
                # As Optuna itself does it: the last score of the curve.
                last = list(self._curve(configuration).values())[-1:]
                return TrialState.PRUNED, [score for score in last if not math.isnan(score)] or None
            case Fate.FAILED:
                return TrialState.FAIL, None
            case Fate.OPEN:
                return TrialState.RUNNING, None

    def _means(self, configuration: Configuration) -> list[float] | None:
        summaries = [configuration.summary(rate) for rate in self._objectives]
        means = [summary.mean for summary in summaries if summary is not None]
        return means or None

    def _curve(self, configuration: Configuration) -> dict[int, float]:
        """Scores of the first seed by epoch; Optuna has no curves with two objectives."""
        first = next(iter(configuration.units.values()), None)
        if first is None or len(self._objectives) > 1:
            return {}
        return {report["epoch"]: float(report["score"]) for report in first.curve}

    def _match(self, board: Board) -> list[FrozenTrial | None]:
        """The stored trial of each configuration on the board, None where there is none."""
        by_number: dict[int, FrozenTrial] = {}
        unmarked: dict[Key, FrozenTrial] = {}
        for trial in self._storage.get_told_trials(self._study._study_id):
            if "configuration" in trial.user_attrs:
                by_number[trial.user_attrs["configuration"]] = trial
            elif trial.state is TrialState.RUNNING:
                unmarked[self._key(trial.params)] = trial
        matches: list[FrozenTrial | None] = []
        for configuration in board.configurations:
            key = self._key(configuration.values)
            trial = by_number.get(configuration.number)
            if trial is None or self._key(trial.params) != key:
                trial = unmarked.get(key)
            matches.append(trial)
        return matches

    def _kept(self, configuration: Configuration, trial: FrozenTrial | None) -> int:
        """The id of the configuration's trial, which is added when it is not there."""
        mark = {"configuration": configuration.number}
        if trial is None:
            values = self._canonical(configuration.values)
            template = optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params={path: encode(value) for path, value in values.items()},
                distributions={path: distribution(self._space.parameters[path]) for path in values},
                user_attrs=mark,
            )
            return self._storage.create_new_trial(self._study._study_id, template)
        if trial.user_attrs.get("configuration") != configuration.number:
            self._storage.set_trial_user_attr(trial._trial_id, *mark.popitem())
        return trial._trial_id

    def _end_strays(self) -> None:
        """Trials that run and are no configuration: the one proposed last is kept, should the board not know it yet."""
        taken = set(self._trials)
        for trial in self._storage.get_told_trials(self._study._study_id):
            if trial.state is not TrialState.RUNNING or trial._trial_id in taken:
                continue
            next_one = trial.user_attrs.get("configuration") == len(self._trials)
            if next_one and self._asked is None and self._key(trial.params) not in self._known:
                self._asked = trial._trial_id, self._canonical(trial.params)
            else:
                self._study.tell(trial.number, state=TrialState.FAIL)

    def _by_key(self, points: Iterable[Mapping[str, Any]]) -> dict[Key, dict[str, Any]]:
        by_key: dict[Key, dict[str, Any]] = {}
        for point in points:
            by_key.setdefault(self._key(point), dict(point))
        return by_key

    def _key(self, values: Mapping[str, Any]) -> Key:
        values = self._canonical(values)
        return tuple((path, encode(values[path])) for path in sorted(values))

    def _canonical(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            path: canonical(self._space.parameters[path], values[path])
            for path in self._space.parameters
            if path in values
        }


def _reason(configuration: Configuration) -> str | None:
    """Why it was pruned, failed or dropped."""
    ended: list[Unit] = configuration.units_in(State.FAILED, State.PRUNED)
    return ended[0].reason if ended else configuration.dropped


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
