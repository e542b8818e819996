import pytest

from data.cycle import END_TOLERANCE_S, check_times
from data.errors import DataError


@pytest.mark.parametrize(
    ("start_s", "end_s", "complaint"),
    [
        (1.5, 0.5, "ends at 0.5 s, but starts at 1.5 s; expected end after start"),
        (0.5, 0.5, "ends at 0.5 s, but starts at 0.5 s; expected end after start"),
        (0.5, 2.5, "ends at 2.5 s, but the recording lasts 2.000 s; expected an end inside the recording"),
        (7.0, 8.0, "ends at 8 s, but the recording lasts 2.000 s; expected an end inside the recording"),
        (0.5, 0.505, "a cycle of 0.005 s; expected at least 0.01 s"),
        (2.01, 2.04, "a cycle of 0 s; expected at least 0.01 s"),
    ],
)
def test_a_cycle_that_is_not_inside_its_recording_is_refused(
    start_s: float, end_s: float, complaint: str
) -> None:
    with pytest.raises(DataError) as caught:
        check_times("a.txt line 2", start_s, end_s, duration_s=2.0)
    message = str(caught.value)
    assert message.startswith("a.txt line 2: ")
    assert message.endswith(complaint)


def test_an_end_may_lie_beyond_the_recording_by_a_rounding_error() -> None:
    check_times("a.txt line 2", 0.5, 2.0 + 0.9 * END_TOLERANCE_S, duration_s=2.0)
