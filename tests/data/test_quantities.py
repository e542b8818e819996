import pytest

from data.quantities import counted, duration, gibibytes, listed


@pytest.mark.parametrize(
    ("seconds", "written"), [(0.4, "0:00"), (59.6, "1:00"), (3599.0, "59:59"), (3600.0, "1:00:00")]
)
def test_seconds_are_written_as_on_a_clock(seconds: float, written: str) -> None:
    assert duration(seconds) == written


def test_bytes_are_written_in_gibibytes() -> None:
    assert gibibytes(3 * 2**29) == "1.50 GiB"


@pytest.mark.parametrize(("number", "written"), [(0, "0 units"), (1, "1 unit"), (2, "2 units")])
def test_one_thing_is_not_several(number: int, written: str) -> None:
    assert counted(number, "unit") == written


def test_words_are_listed_as_people_do() -> None:
    assert [listed("abc"[:number]) for number in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
