"""What tests of a worker share: drivers that live, and no long waits."""

from collections.abc import Callable, Iterator

import pytest

from sweep.execution import worker_job
from sweep.execution.head_file import Head
from tests.sweep.execution.stand_in_drivers import Driver, Node


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    Node.made = []
    for name in ("LOOK_EVERY_S", "LOOK_FOR_END_EVERY_S", "JOIN_AGAIN_S", "ASK_EVERY_S"):
        monkeypatch.setattr(worker_job, name, 0.05)


@pytest.fixture
def driver() -> Iterator[Callable[[], Driver]]:
    """Makes drivers that live."""
    made: list[Driver] = []

    def make() -> Driver:
        made.append(Driver(1 + len(made)))
        return made[-1]

    yield make
    for one in made:
        one.die()


@pytest.fixture
def listening(driver: Callable[[], Driver]) -> Callable[[], Head]:
    """Makes heads of drivers that live."""
    return lambda: driver().head
