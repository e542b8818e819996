import pytest

from sweep.report.searched_values import written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.061234567, "0.06123"),
        (1e-05, "1e-05"),
        (5, "5"),
        (None, "none"),
        (True, "True"),
        ("adamw", "adamw"),
        (("time", "frequency"), "time+frequency"),
        (((0, 15), (32, 47)), "0-15+32-47"),
        ((), "none"),
    ],
)
def test_a_value_is_written_as_people_do(value: object, text: str) -> None:
    assert written(value) == text


def test_a_population_is_written_as_studies_write_it() -> None:
    assert written((60, 120), "population") == "[60, 120]"
