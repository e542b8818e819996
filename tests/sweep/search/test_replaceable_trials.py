from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from sweep.search.replaceable_trials import STUDY_NAME, ReplaceableTrials


def complete(value: float, **attrs: Any) -> optuna.trial.FrozenTrial:
    return create_trial(
        value=value, params={"x": value}, distributions={"x": FloatDistribution(0, 1)}, system_attrs=attrs
    )


def values_in(trials: ReplaceableTrials) -> list[float | None]:
    return [trial.value for trial in optuna.load_study(study_name=STUDY_NAME, storage=trials).trials]


def test_a_finished_trial_may_be_replaced_and_keeps_its_number() -> None:
    trials = ReplaceableTrials(objectives=1)
    for value in (0.1, 0.2, 0.3):
        trials.put(len(values_in(trials)), complete(value))
    trials.put(1, complete(0.9))
    assert values_in(trials) == [0.1, 0.9, 0.3]
    replaced = optuna.load_study(study_name=STUDY_NAME, storage=trials).trials[1]
    assert (replaced.number, replaced._trial_id) == (1, 1)


def test_a_draft_is_thrown_away_with_what_was_written_into_it() -> None:
    trials = ReplaceableTrials(objectives=1)
    for _ in range(2):
        trials.put(0, create_trial(state=TrialState.RUNNING))
        assert trials.written(0, {}) == {}
        trials.set_trial_system_attr(0, "generation", 3)
        assert trials.written(0, {}) == {"trial": {"generation": 3}}


def test_what_a_sampler_wrote_into_the_study_since_is_told_and_can_be_taken_back() -> None:
    trials = ReplaceableTrials(objectives=2)
    trials.put(0, create_trial(state=TrialState.RUNNING))
    trials.set_study_system_attr(0, "parents:1", [0, 1])
    before = trials.study_attrs
    trials.set_study_system_attr(0, "parents:2", [2, 3])
    assert trials.get_study_system_attrs(0) == {"parents:1": [0, 1], "parents:2": [2, 3]}
    assert trials.written(0, before) == {"study": {"parents:2": [2, 3]}}
    trials.study_attrs = before
    assert trials.get_study_system_attrs(0) == {"parents:1": [0, 1]}
