from collections.abc import Callable
from typing import Any

import pytest

from sweep.config.study_config import StudyConfig
from sweep.driver import foretelling
from sweep.driver.foretelling import LEAST_S, Foretelling
from sweep.study.events import Event, StudyStarted
from tests.studies import tiny_study
from tests.sweep.histories import added, timed, trained

CONFIG = StudyConfig.model_validate(tiny_study(2, budget={"configurations": 2}))
PAST: list[Event] = timed(
    StudyStarted((1, 2)),
    *added(0, **{"patch_mix.temperature": 0.1}),
    *trained(0, 1, 0.5, 0.6),
    start=1000.0,
    apart=10.0,
)
NOW = PAST[-1].at


class Clock:
    """Seconds that pass only when told to, and tasks that run at once or later."""

    def __init__(self) -> None:
        self.now = 0.0
        self.tasks: list[Callable[[], None]] = []

    def __call__(self) -> float:
        return self.now


def test_what_was_foretold_runs_down_with_the_clock_until_the_next_time() -> None:
    clock = Clock()
    told = Foretelling(CONFIG, PAST, timer=clock, begin=lambda task: task())
    assert told.left(NOW) is None
    clock.now += LEAST_S
    first = told.left(NOW)
    assert first is not None
    assert 0 < first.low <= first.seconds <= first.high
    later = told.left(NOW + 5)
    assert later is not None
    assert later.seconds == pytest.approx(first.seconds - 5)
    at_last = told.left(NOW + 1e6)
    assert at_last is not None
    assert at_last.seconds == 0
    for event in timed(*trained(0, 2, 0.5, 0.6), start=NOW + 10, apart=10.0):
        told(event)
    still = told.left(NOW + 40)
    assert still is not None
    assert still.seconds == pytest.approx(first.seconds - 40)
    clock.now += LEAST_S
    renewed = told.left(NOW + 40)
    assert renewed is not None
    assert renewed.seconds != pytest.approx(first.seconds - 40)


def test_one_foretelling_is_under_way_at_a_time_and_takes_a_small_share_of_the_time() -> None:
    clock = Clock()
    told = Foretelling(CONFIG, PAST, timer=clock, begin=clock.tasks.append)
    clock.now += LEAST_S
    assert told.left(NOW) is None
    assert told.left(NOW) is None
    (task,) = clock.tasks

    def slow(*_: object, **__: object) -> None:
        clock.now += 2.0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(foretelling, "time_left", slow)
        task()
    clock.now += 97.0
    told.left(NOW)
    assert len(clock.tasks) == 1
    clock.now += 1.5
    told.left(NOW)
    assert len(clock.tasks) == 2


def test_a_fault_of_the_foretelling_disturbs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(foretelling, "time_left", broken)
    clock = Clock()
    told = Foretelling(CONFIG, PAST, timer=clock, begin=lambda task: task())
    clock.now += LEAST_S
    assert told.left(NOW) is None


@pytest.mark.parametrize(
    ("budget", "played"),
    [
        ({"configurations": 100_000}, False),
        ({"units": 100_000}, False),
        ({"wall_clock": 2.0}, False),
        ({"configurations": 2500}, True),
        ({"units": 5000}, True),
        ({"units": 5000, "configurations": 100_000}, True),
    ],
)
def test_only_a_study_of_a_bounded_number_of_units_is_played_on(budget: dict[str, Any], played: bool) -> None:
    clock = Clock()
    config = StudyConfig.model_validate(tiny_study(2, budget=budget))
    told = Foretelling(config, PAST, timer=clock, begin=clock.tasks.append)
    clock.now += LEAST_S
    assert told.left(NOW) is None
    assert bool(clock.tasks) is played
