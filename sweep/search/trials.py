"""A configuration as one of Optuna's trials: as samplers are to see it, and as people are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from evidence.objectives import OBJECTIVES, objective_of
from sweep.config.search_space import SearchSpace
from sweep.search.values import distribution, encode
from sweep.study.units import Configuration, Fate, State


class TrialBuilder:
    """Builds trials of a study that searches `space` for the best of `objectives`, names of metrics."""

    def __init__(self, space: SearchSpace, objectives: Sequence[str]) -> None:
        self._objectives = objectives
        self._metric = OBJECTIVES[objective_of(objectives)]
        self._distributions = {path: distribution(one) for path, one in space.parameters.items()}

    def for_samplers(self, configuration: Configuration) -> FrozenTrial:
        """Build the trial that samplers see: COMPLETE with the mean over the seeds so far, dropped or not.

        FAIL when a unit failed; PRUNED with the last score of its curve; RUNNING before its first seed has ended.
        """
        means = self._means(configuration)
        if configuration.units_in(State.FAILED):
            state, values = TrialState.FAIL, None
        elif configuration.units_in(State.PRUNED):
            state, values = TrialState.PRUNED, self._last_of_curve(configuration)
        elif means is not None:
            state, values = TrialState.COMPLETE, means
        else:
            state, values = TrialState.RUNNING, None
        return create_trial(
            state=state,
            values=values,
            **self._point(configuration),
            # Samplers know no curve that is still under way: a new driver may know more or less of it.
            intermediate_values=self._curve(configuration) if state.is_finished() else {},
            system_attrs=dict(configuration.sampler_state.get("trial", {})),
        )

    def for_people(self, configuration: Configuration, fate: Fate) -> FrozenTrial:
        """Build the trial that people see: COMPLETE with the mean over the finished seeds, if any.

        Without a finished seed: PRUNED with the last score of its curve, FAIL, or RUNNING. The user attributes tell
        `state` (the fate), `seeds` (how many have finished), `score_mean` over them, and the `reason` of an early end.
        """
        values = self._means(configuration)
        state = TrialState.COMPLETE
        if values is None:
            state = {Fate.OPEN: TrialState.RUNNING, Fate.FAILED: TrialState.FAIL}.get(fate, TrialState.PRUNED)
        if state is TrialState.PRUNED:
            values = self._last_of_curve(configuration)
        score = configuration.summary()
        attrs = {
            "configuration": configuration.number,
            "state": str(fate),
            "seeds": 0 if score is None else score.seeds,
            "score_mean": None if score is None else score.mean,
            "reason": _reason(configuration),
        }
        trial = create_trial(
            state=state,
            values=values,
            **self._point(configuration),
            intermediate_values=self._curve(configuration),
            user_attrs={key: value for key, value in attrs.items() if value is not None},
        )
        _date(trial, configuration)
        return trial

    def _point(self, configuration: Configuration) -> dict[str, Any]:
        values = configuration.values
        return {
            "params": {path: encode(value) for path, value in values.items()},
            "distributions": {path: self._distributions[path] for path in values},
        }

    def _means(self, configuration: Configuration) -> list[float] | None:
        summaries = [configuration.summary(metric) for metric in self._objectives]
        return [summary.mean for summary in summaries if summary is not None] or None

    def _curve(self, configuration: Configuration) -> dict[int, float]:
        """List the objective by epoch of the first seed; nothing with two of them, for which Optuna has no curves."""
        first = next(iter(configuration.units.values()), None)
        if first is None or len(self._objectives) > 1:
            return {}
        return {report["epoch"]: float(report[self._metric]) for report in first.curve}

    def _last_of_curve(self, configuration: Configuration) -> list[float] | None:
        """The value that Optuna itself gives a pruned trial: the last of its curve."""
        return list(self._curve(configuration).values())[-1:] or None


def _date(trial: FrozenTrial, configuration: Configuration) -> None:
    """Give the trial the times at which its units held a device."""
    spans = [attempt for unit in configuration.units.values() for attempt in unit.attempts]
    if spans:
        trial.datetime_start = datetime.fromtimestamp(spans[0].started)
        if trial.state.is_finished():
            trial.datetime_complete = datetime.fromtimestamp(max(span.ended or span.heard for span in spans))


def _reason(configuration: Configuration) -> str | None:
    """Say why a configuration was pruned, failed or dropped."""
    ended = configuration.units_in(State.FAILED, State.PRUNED)
    return ended[0].reason if ended else configuration.dropped
