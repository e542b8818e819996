"""How long a study will still take, told from its events alone, against how long it took."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from sweep.config.study_config import StudyConfig, with_settings
from sweep.simulation.curves_file import read_curves
from sweep.simulation.recorded_curves import RecordedCurves, RecordedStudy
from sweep.simulation.simulated_study import SimulatedStudy, simulate_study
from sweep.simulation.time_left import time_left, workers_of
from sweep.study.board import Board
from sweep.study.events import Event, StudyStarted, StudyStopped, UnitLost, UnitStarted
from tests.sweep.histories import added, reported, timed, trained

RECORDED = read_curves(Path(__file__).parents[3] / "benchmarks" / "curves" / "sprsound.jsonl")


@pytest.fixture(scope="module")
def recording() -> RecordedStudy:
    return RecordedStudy(RECORDED)


def study_of(recording: RecordedStudy, workers: int, repeat: int) -> SimulatedStudy:
    """The recorded study with fewer configurations, as raced and pruned by default."""
    settings = {
        "sampler": {"name": "random"},
        "pruner": {"name": "forecast"},
        "racing": {"name": "contenders"},
    }
    config = with_settings(RECORDED.config, {**settings, "budget": {"configurations": 24}}, RECORDED.name)
    return simulate_study(config, RecordedCurves(recording, repeat), workers, repeat=repeat)


def after(study: SimulatedStudy, share: float) -> list[Event]:
    return [event for event in study.events if event.at <= share * study.events[-1].at]


@pytest.mark.long
def test_after_a_third_of_a_study_most_foretellings_are_within_a_quarter_of_the_truth(
    recording: RecordedStudy,
) -> None:
    errors = []
    for repeat in range(4):
        workers = 1 + 3 * (repeat % 2)
        study = study_of(recording, workers, repeat)
        past = after(study, 1 / 3)
        found = time_left(study.config, past, workers, repeats=3)
        assert found is not None
        assert found.low <= found.seconds <= found.high
        errors.append(found.seconds / (study.events[-1].at - past[-1].at) - 1)
    assert sum(abs(error) <= 0.25 for error in errors) >= 3, errors


def test_the_same_events_foretell_the_same_and_are_left_as_they_are(recording: RecordedStudy) -> None:
    study = study_of(recording, 2, 0)
    past = after(study, 0.5)
    before = list(past)
    assert time_left(study.config, past, 2, repeats=2) == time_left(study.config, past, 2, repeats=2)
    assert past == before


CONFIG = StudyConfig.model_validate(
    {
        "search": {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}},
        "recipe": {"epochs": 2},
        "seeds": [1, 2],
        "pruner": {"name": "none"},
        "racing": {"name": "none"},
        "budget": {"configurations": 3},
    }
)


def events(*more: Event) -> list[Event]:
    """A study whose first unit ended after two epochs of ten seconds each."""
    return timed(StudyStarted((1, 2)), *added(0, **{"patch_mix.beta": 1.0}), *more, start=0.0, apart=10.0)


def test_without_pruning_and_racing_the_rest_is_every_epoch_to_come() -> None:
    past = events(*trained(0, 1, 0.5, 0.6, seconds=10.0))
    # Five units to come, of two epochs of ten seconds; the first epoch of the unit took as long as any.
    found = time_left(CONFIG, past, 1)
    assert found is not None
    assert found.seconds == pytest.approx(100, abs=30)
    two = time_left(CONFIG, past, 2)
    assert two is not None
    assert two.seconds == pytest.approx(0.6 * found.seconds, rel=0.01)


@pytest.mark.parametrize(
    "past",
    [
        [],
        events(),
        events(*reported(0, 1, 0.5)),
        events(*trained(0, 1, 0.5, 0.6), StudyStopped("interrupted")),
    ],
)
def test_nothing_is_foretold_before_a_unit_has_finished_or_of_a_study_that_stopped(
    past: Sequence[Event],
) -> None:
    assert time_left(CONFIG, past, 1) is None


def test_workers_are_as_many_as_ran_at_a_time_under_the_present_driver() -> None:
    four = [event for seed in (1, 2, 3, 4) for event in [UnitStarted(0, seed)]]
    lost = [UnitLost(0, seed, "driver", counts=False, cause="driver") for seed in (1, 2, 3, 4)]
    begun = [StudyStarted((1, 2, 3, 4)), *added(0)]
    assert workers_of(Board()) == 1
    assert workers_of(Board(events=timed(*begun, *four))) == 4
    again = [*begun, *four, StudyStopped("interrupted"), *lost, StudyStarted((1, 2, 3, 4)), UnitStarted(0, 1)]
    assert workers_of(Board(events=timed(*again))) == 1
    one_by_one = [*begun, *trained(0, 1, 0.5), *trained(0, 2, 0.5)]
    assert workers_of(Board(events=timed(*one_by_one))) == 1
