import warnings

import pytest

from sweep.driver.warning_by import warning_by


def test_warnings_of_ours_are_told_as_one_line_and_others_as_ever(recwarn: pytest.WarningsRecorder) -> None:
    told: list[str] = []
    with warning_by(told.append):
        warnings.warn("a subset", stacklevel=1)
        warnings.warn("a library's", DeprecationWarning, stacklevel=1)
    warnings.warn("after the block", stacklevel=1)
    assert told == ["a subset"]
    assert [str(warning.message) for warning in recwarn] == ["a library's", "after the block"]


def test_what_a_filter_hides_is_not_told() -> None:
    told: list[str] = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "a subset")
        with warning_by(told.append):
            warnings.warn("a subset", stacklevel=1)
    assert told == []
