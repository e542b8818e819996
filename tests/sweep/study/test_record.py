"""What happens to an event, and to one that comes too late."""

import pytest

from sweep.study.board import Board
from sweep.study.events import ConfigurationAdded, Event, StudyStarted
from sweep.study.record import Record


def test_an_event_is_stamped_and_heard_in_order_after_the_board_has_it() -> None:
    board, heard = Board(), list[tuple[str, float, int]]()

    def listener(name: str, event: Event) -> None:
        heard.append((name, event.at, len(board.configurations)))

    record = Record(
        board, [lambda event: listener("one", event), lambda event: listener("two", event)], lambda: 7.0
    )
    record(StudyStarted((1, 2)), at=3.0)
    record(ConfigurationAdded(0, {}))
    assert heard == [("one", 3.0, 0), ("two", 3.0, 0), ("one", 7.0, 1), ("two", 7.0, 1)]


def test_after_its_end_nothing_changes_and_nobody_hears() -> None:
    board, heard = Board(), list[Event]()
    record = Record(board, [heard.append], lambda: 7.0)
    record(StudyStarted((1, 2)))
    record.close()
    with pytest.raises(RuntimeError, match="the study was let go before ConfigurationAdded"):
        record(ConfigurationAdded(0, {}))
    assert len(heard) == 1
    assert not board.configurations
