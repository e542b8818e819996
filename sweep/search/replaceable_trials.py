"""A study of Optuna's in memory whose trials may be replaced at any time, finished ones too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

STUDY_NAME = "study"
DRAWN = ":relative_params:"
"""Part of the keys under which TPE and the Gaussian process note what they draw, for processes that look at a trial
before it has all its parameters. Trials here have them at once. What was drawn for fields that do not apply to a
configuration (`when`) is left out with the notes: it is not on the board, and nothing was tried there."""


class ReplaceableTrials(InMemoryStorage):
    """Storage of one study that maximises `objectives` values; a trial's id is its number.

    Optuna's own storages let a trial be told once. Here a configuration's mean may change with each of its seeds, and a
    draft of a trial may be thrown away.
    """

    def __init__(self, objectives: int) -> None:
        super().__init__()
        self.study_attrs: Mapping[str, Any] = {}
        """What samplers wrote into the study: parents of a generation, say. Never changed in place."""
        self._study_id = self.create_new_study([StudyDirection.MAXIMIZE] * objectives, STUDY_NAME)

    def put(self, number: int, trial: FrozenTrial) -> None:
        """Make `trial` number `number`, which may be at most the next one."""
        if number == self.get_n_trials(self._study_id):
            self.create_new_trial(self._study_id, trial)
        else:
            trial.number = trial._trial_id = number
            self._set_trial(number, trial)

    def written(self, number: int, before: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Collect what a sampler noted in trial `number` (`trial`), and in the study since `before` (`study`)."""
        trial = {key: value for key, value in self.get_trial(number).system_attrs.items() if DRAWN not in key}
        study = {key: value for key, value in self.study_attrs.items() if before.get(key) != value}
        return {place: attrs for place, attrs in (("trial", trial), ("study", study)) if attrs}

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return dict(self.study_attrs)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self.study_attrs = {**self.study_attrs, key: value}
