import re

from evidence.comparison import Comparison
from sweep.report.winner import luck_aside, what_to_expect
from sweep.study.board import Board
from sweep.study.comparison import comparison_of
from sweep.study.events import Event, StudyStarted
from tests.sweep.histories import added, trained


def board_of(*rows: tuple[float, ...]) -> Board:
    events: list[Event] = [*added(*range(len(rows)))]
    for number, scores in enumerate(rows):
        events += [event for seed, score in enumerate(scores, 1) for event in trained(number, seed, score)]
    return Board(range(1, len(rows[0]) + 1), events)


def compared(board: Board) -> Comparison:
    comparison = comparison_of(board)
    assert comparison is not None
    return comparison


THREE = board_of((0.61, 0.64, 0.66), (0.60, 0.62, 0.64), (0.40, 0.41, 0.43))


def test_the_winner_is_said_to_be_chosen_and_too_high() -> None:
    assert re.fullmatch(
        r"with other seeds expect about 6\d\.\d %: as the best of 3 its score is taken to be raised by luck, by "
        r"[01]\.\d points",
        luck_aside(THREE),
    )
    text = what_to_expect(compared(THREE), 0)
    assert text.startswith("No. 0 was chosen for its score among 3; expected to be ")
    assert "points too high: with other seeds expect 6" in text
    assert text.endswith("on these patients.")


def test_a_winner_that_is_expected_to_do_better_is_not_called_lucky() -> None:
    unlike = board_of((0.44, 0.65), (0.63, 0.48), (0.55, 0.53))
    assert luck_aside(unlike) == (
        "with other seeds expect about 56.1 %: 0.6 points more than its seeds came to, judged by all configurations "
        "together"
    )


def test_another_configuration_was_not_chosen_and_may_be_better_than_its_score() -> None:
    text = what_to_expect(compared(THREE), 2)
    assert text.startswith("No. 2 is not the best of 3; expected to be ")
    assert "points too low" in text


def test_where_luck_is_not_known_that_is_said() -> None:
    one_seed, one_row = board_of((0.5,), (0.6,)), board_of((0.5, 0.6))
    assert luck_aside(one_seed) == luck_aside(one_row) == luck_aside(Board((1, 2))) == ""
    assert what_to_expect(compared(one_seed), 1) == (
        "No. 1 was chosen for its score among 2; how much luck is in its score cannot be told: too few seeds, or seeds "
        "that are all equal."
    )
    assert what_to_expect(compared(one_row), 0) == "No. 0 is the only configuration: nothing was chosen."


def test_what_it_was_chosen_for_is_named() -> None:
    events = [StudyStarted((1, 2), objective="any_abnormal"), *added(0, 1), *trained(0, 1, 0.5)]
    units = [event for unit in ((0, 2), (1, 1), (1, 2)) for event in trained(*unit, 0.4 + 0.1 * unit[1])]
    text = what_to_expect(compared(Board(events=[*events, *units])), 0)
    assert text.startswith("No. 0 was chosen for its any-abnormal score among 2")
