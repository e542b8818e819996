import os
import signal
import threading
from collections.abc import Iterator

import pytest

from sweep.config.study_parts import PrunerConfig
from sweep.driver.display import NoDisplay
from sweep.driver.signals import Halting
from sweep.search.epoch_pruner import EpochPruner
from sweep.study.board import Board
from sweep.study.budget import Budget, BudgetConfig
from sweep.study.coordinator import Coordinator, Rules
from sweep.study.racing import NoRacingConfig
from sweep.study.units import Configuration


class Nothing:
    """A search that proposes none."""

    skipped = None

    def propose(self) -> None:
        return None

    def learn(self, configuration: Configuration) -> None: ...

    def restore(self, board: Board) -> None: ...


@pytest.fixture(autouse=True)
def _hangups_are_heard() -> Iterator[None]:
    """Let SIGHUP do what it does by default, also where the tests themselves were started with nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def coordinator() -> Coordinator:
    racing = NoRacingConfig()
    budget = Budget(BudgetConfig(configurations=1), racing, gpus=0, slots=1, epochs=lambda values: 9)
    pruner = EpochPruner(PrunerConfig(name="none"), lambda values: 9, "test")
    return Coordinator(Board(), Nothing(), pruner, budget, Rules(racing))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_halts_and_the_second_ends_at_once(
    coordinator: Coordinator, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    with Halting(coordinator, NoDisplay()).on_signals():
        os.kill(os.getpid(), number)
        assert coordinator.halted == "interrupted"
        assert not coordinator.at_once
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert coordinator.at_once
    assert signal.getsignal(number) is before


def test_a_second_signal_ends_at_once_also_a_study_that_its_budget_has_halted(
    coordinator: Coordinator,
) -> None:
    coordinator.halted = "budget spent: wall_clock 1 of 1"
    with Halting(coordinator, NoDisplay()).on_signals():
        os.kill(os.getpid(), signal.SIGINT)
        assert not coordinator.interrupted
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_what_nohup_keeps_away_stays_away(coordinator: Coordinator) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Halting(coordinator, NoDisplay()).on_signals():
            os.kill(os.getpid(), signal.SIGHUP)
        assert coordinator.halted is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_than_the_main_one_leaves_signals_alone(coordinator: Coordinator) -> None:
    before, within = signal.getsignal(signal.SIGINT), []

    def run() -> None:
        with Halting(coordinator, NoDisplay()).on_signals():
            within.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert within == [before]
