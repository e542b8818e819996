"""What people read of how far choosing by the test part raises a score."""

from evidence.leak import HABITS, Leak, Rise
from sweep.report.leak_table import leak_table, what_was_compared
from sweep.report.plain_console import as_text


def test_each_habit_has_its_number_its_rise_and_the_interval() -> None:
    rises = dict.fromkeys(HABITS, Rise(0.645, 0.032, (0.011, 0.054)))
    text = as_text(leak_table(Leak(0.613, rises), (0.55, 0.68)))
    assert "nothing: the honest number" in text
    assert "55.0 to 68.0" in text
    assert text.count("+3.2") == len(HABITS)
    assert text.count("1.1 to 5.4") == len(HABITS)


def test_what_cannot_be_told_is_told() -> None:
    rises = {**dict.fromkeys(HABITS, Rise(0.645, 0.032, None)), "seed": None}
    text = as_text(leak_table(Leak(0.613, rises), None))
    assert text.count("too few patients") == 4
    assert text.count("nothing to choose among") == 1


def test_what_was_compared_is_said_in_a_line() -> None:
    assert what_was_compared(3, 2, 20, 5, (10, 10)) == (
        "validation chose no. 3; compared: 2 of 20 configurations, those with all their seeds, 5 seeds of 10 epochs each"
    )
    assert what_was_compared(0, 1, 1, 1, (3, 8)).endswith("1 seed of 3 to 8 epochs each")
