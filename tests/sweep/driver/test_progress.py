import io
import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from rich.console import Console

from data.task import ICBHI
from evidence.objectives import Objective
from sweep.config.study_config import StudyConfig
from sweep.driver import progress as progress_module
from sweep.driver.display import ConsoleDisplay, NoDisplay
from sweep.driver.foretelling import Foretelling
from sweep.driver.progress import Progress
from sweep.simulation.time_left import TimeLeft
from sweep.study.board import Board
from sweep.study.budget import Budget, BudgetConfig
from sweep.study.events import (
    ConfigurationDropped,
    EpochReported,
    Event,
    NodeAccused,
    StudyStarted,
    StudyStopped,
    UnitFailed,
    UnitFinished,
    UnitLost,
    UnitPruned,
    UnitStarted,
)
from sweep.study.racing import ContendersConfig, NoRacingConfig, RacingConfig
from sweep.study.silence import Silence
from tests.studies import tiny_study
from tests.sweep import histories
from tests.sweep.histories import epoch, reported, trained

added = partial(histories.added, **{"patch_mix.temperature": 0.0612345, "patch_mix.axes": ("time",)})


NOW = 1000.0


@pytest.fixture
def clock() -> list[float]:
    """The time of day; the study began when it was NOW."""
    return [NOW]


def shown(
    events: list[Event],
    clock: list[float] | None = None,
    *,
    terminal: bool = False,
    racing: RacingConfig | None = None,
    silent: Sequence[Silence] = (),
    objective: Objective = "score",
    **limits: Any,
) -> tuple[Progress, str]:
    """What is printed while a board of two seeds hears the events, each followed by a tick.

    `silent`: the units of which nothing is heard meanwhile.
    """
    console = Console(file=io.StringIO(), force_terminal=terminal, width=200)
    board = Board()
    limits = limits or {"configurations": 4}
    budget = Budget(
        BudgetConfig.model_validate(limits),
        racing or ContendersConfig(),
        gpus=0,
        slots=1,
        epochs=lambda values: 1,
    )
    now, ticks = clock or [NOW], itertools.count(step=2)
    progress = Progress(
        board,
        budget,
        ConsoleDisplay(console),
        task=ICBHI,
        silences=lambda: silent,
        clock=lambda: now[0],
        timer=lambda: float(next(ticks)),
    )
    with progress:
        for event in [StudyStarted((1, 2), objective=objective, at=NOW), *events]:
            board.apply(event)
            progress(event)
            progress.tick()
    assert isinstance(console.file, io.StringIO)
    return progress, console.file.getvalue()


def test_without_a_terminal_there_is_a_line_for_each_unit_that_ends() -> None:
    events = [
        *[*added(0), *trained(0, 1, 0.5), *trained(0, 2, 0.6)],
        *[*added(1), *reported(1, 1, 0.1), UnitPruned(1, 1, "pruned at epoch 1")],
        *[*added(2), *reported(2, 1, 0.1), UnitFailed(2, 1, "the loss is [NaN]\nTraceback")],
        *[*added(3), *reported(3, 1, 0.1), UnitLost(3, 1, "node 7 is gone\nTraceback"), UnitStarted(3, 1)],
        *[UnitFinished(3, 1, 1), ConfigurationDropped(3, "dropped after seed 1: 0.100 against 0.550")],
    ]
    values = "patch_mix.temperature=0.06123  patch_mix.axes=time"
    lines = [line.partition("  [configurations")[0] for line in shown(events)[1].splitlines()]
    assert lines == [
        f"0000-seed1  score 50.0 %  configuration 50.0 % (1 seed)  {values}",
        f"0000-seed2  score 60.0 %  configuration 55.0 ± 7.1 % (2 seeds)  {values}",
        f"0001-seed1  pruned at epoch 1  {values}",
        f"0002-seed1  the loss is [NaN]  {values}",
        "0003-seed1  waits to go on from its checkpoint: node 7 is gone",
        f"0003-seed1  score 10.0 %  configuration 10.0 % (1 seed)  {values}",
        f"configuration 3  dropped after seed 1: 0.100 against 0.550  {values}",
    ]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_node_that_gets_no_more_units_is_told_in_a_line_and_in_the_status(terminal: bool) -> None:
    accused = NodeAccused("10.0.0.7/1f2e3d4c5b6a", "2 units died there", at=NOW)
    progress, text = shown([accused], terminal=terminal)
    begins, _, rest = text.partition("warning: node 10.0.0.7 (1f2e3d4c) gets no units until ")[2].partition(
        ", "
    )
    assert begins[:2] in ("19", "20")
    assert rest.startswith("and then one: 2 units died there")
    assert "no units on 10.0.0.7 (1f2e3d4c)" in progress.status()


@pytest.mark.parametrize("terminal", [False, True])
def test_what_a_unit_tells_beside_an_epoch_is_said_once_for_all_units(terminal: bool) -> None:
    noted = [EpochReported(0, seed, {**epoch(1), "note": "steps are plain"}, at=NOW) for seed in (1, 2)]
    events = [*added(0), UnitStarted(0, 1, at=NOW), UnitStarted(0, 2, at=NOW), *noted]
    text = shown(events, terminal=terminal)[1]
    assert text.count("steps are plain") == 1
    assert "warning: 0000-seed1: steps are plain" in text


SILENT = [
    Silence((3, 1), NOW - 63, seconds=63.0, epoch=4.0, longest=9.0, patience=600.0),
    Silence((3, 2), NOW - 50, seconds=50.0, epoch=4.0, longest=9.0, patience=600.0),
]


def test_a_unit_that_falls_silent_is_told_of_once_in_a_line() -> None:
    text = shown([*added(0), *trained(0, 1, 0.5)], silent=SILENT)[1]
    assert [line for line in text.splitlines() if "no news" in line] == [
        "warning: 0003-seed1: no news for 1:03 (an epoch takes 0:04)",
        "warning: 0003-seed2: no news for 0:50 (an epoch takes 0:04)",
    ]


def test_a_live_table_shows_silent_units_below() -> None:
    text = shown([*added(0)], silent=SILENT, terminal=True)[1]
    assert "0003-seed1: no news for 1:03 (an epoch takes 0:04)" in text
    assert "warning" not in text


def test_the_status_says_how_far_the_study_is() -> None:
    progress, _ = shown(
        [*added(0), *trained(0, 1, 0.5), *trained(0, 2, 0.6), *added(1), *reported(1, 1, 0.9)]
    )
    status = progress.status()
    assert status.startswith(
        "configurations 2 of 4  units done 2, running 1  best 55.0 ± 7.1 % (no. 0)  elapsed 0:00"
    )
    assert "left" in status


def test_nothing_is_foretold_before_a_unit_has_ended() -> None:
    status = shown([*added(0), UnitStarted(0, 1)])[0].status()
    assert "best: none complete yet" in status
    assert "left" not in status


@pytest.mark.parametrize(
    ("events", "left"),
    [
        # Two first seeds took 60 s. To come: two configurations, and the second seeds of three finalists.
        ([*added(0), *trained(0, 1, 0.5), *added(1), *trained(1, 1, 0.6)], "2:30"),
        # One of the second seeds is done, too.
        ([*added(0), *trained(0, 1, 0.5), *trained(0, 2, 0.6)], "2:30"),
        # One pruned unit took 60 s: three more configurations and three second seeds.
        ([*added(0), *reported(0, 1, 0.1), UnitPruned(0, 1, "low")], "6:00"),
        # All of it is done.
        (
            [
                event
                for number in range(4)
                for event in (*added(number), *trained(number, 1, 0.5), *trained(number, 2, 0.5))
            ],
            "0:00",
        ),
    ],
)
def test_the_rest_is_foretold_at_the_pace_so_far(events: list[Event], left: str, clock: list[float]) -> None:
    progress, _ = shown(events, clock)
    clock[0] = NOW + 60
    assert f"elapsed 1:00  about {left} left" in progress.status()


def test_without_a_race_the_rest_is_every_seed_of_every_configuration_that_is_not_out(
    clock: list[float],
) -> None:
    pruned = [*added(1), *reported(1, 1, 0.1), UnitPruned(1, 1, "low")]
    progress, _ = shown([*added(0), *trained(0, 1, 0.5), *pruned], clock, racing=NoRacingConfig())
    clock[0] = NOW + 60
    # Two units took 60 s. To come: two configurations of two seeds, and the first one's second seed.
    assert "elapsed 1:00  about 2:30 left" in progress.status()


def test_a_budget_in_hours_is_shown_and_foretells_nothing(clock: list[float]) -> None:
    progress, _ = shown([*added(0), *trained(0, 1, 0.5)], clock=clock, wall_clock=2)
    clock[0] = NOW + 1800
    assert progress.status().startswith("wall_clock 0.5 of 2  units done 1")
    assert "left" not in progress.status()


def test_a_terminal_shows_a_table_that_is_drawn_anew_and_ends_as_one_line() -> None:
    _, output = shown([*added(0), *trained(0, 1, 0.5)], terminal=True)
    assert "score %" in output
    assert "0000-seed1  score" not in output
    assert "configurations 1 of 4  units done 1, running 0  best: none complete yet" in output


def test_hours_are_shown_when_there_are_any(clock: list[float]) -> None:
    progress, _ = shown([*added(0)], clock)
    clock[0] = NOW + 3 * 3600 + 4 * 60 + 5.4
    assert "elapsed 3:04:05" in progress.status()


def test_another_objective_is_named_as_it_comes() -> None:
    events: list[Event] = [*added(0), *trained(0, 1, 0.5, any_abnormal_score=0.75)]
    text = shown(events, objective="any_abnormal")[1]
    assert "0000-seed1  any-abnormal score 75.0 %  configuration 75.0 % (1 seed)" in text


def test_what_is_foretold_by_playing_the_rest_stands_in_the_place_of_the_pace_so_far() -> None:
    class Told(Foretelling):
        def left(self, now: float) -> TimeLeft | None:
            return TimeLeft(3600.0, 3000.0, 4200.0)

    board = Board()
    budget = Budget(
        BudgetConfig(configurations=4), ContendersConfig(), gpus=0, slots=1, epochs=lambda values: 1
    )
    config = StudyConfig.model_validate(tiny_study(1))
    progress = Progress(
        board,
        budget,
        NoDisplay(),
        task=ICBHI,
        silences=lambda: (),
        foretelling=Told(config),
        clock=lambda: NOW,
    )
    for event in [StudyStarted((1, 2), at=NOW), *added(0), *trained(0, 1, 0.5)]:
        board.apply(event)
        progress(event)
    assert progress.status().endswith("about 1:00:00 left (50:00 to 1:10:00)")
    board.apply(StudyStopped("over", at=NOW))
    assert " left" not in progress.status()


def test_how_much_luck_is_in_the_best_score_is_found_out_again_only_when_it_costs_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, asked = [0.0], []

    def slow_aside(board: Board) -> str:
        asked.append(now[0])
        now[0] += 0.5
        return f"luck {len(asked)}"

    monkeypatch.setattr(progress_module, "luck_aside", slow_aside)
    board = Board()
    budget = Budget(
        BudgetConfig(configurations=9), ContendersConfig(), gpus=0, slots=1, epochs=lambda values: 1
    )
    progress = Progress(
        board, budget, NoDisplay(), task=ICBHI, silences=tuple, clock=lambda: NOW, timer=lambda: now[0]
    )

    def hear(*events: Event) -> str:
        for event in events:
            board.apply(event)
        return progress.status()

    board.apply(StudyStarted((1, 2), at=NOW))
    assert "luck 1" in hear(*added(0), *trained(0, 1, 0.5), *trained(0, 2, 0.6))
    assert "luck 1" in hear(*added(1), *trained(1, 1, 0.1))
    now[0] = 10.1
    assert "luck 2" in progress.status()
    # Another best configuration has another luck, at once.
    assert "luck 3" in hear(*added(2), *trained(2, 1, 0.9), *trained(2, 2, 0.9))
    assert len(asked) == 3
