import functools

import pytest

from data.errors import as_read


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        ("None", "'None'"),
        (1e-05, "1e-05"),
        ([None, (False, "a")], "[null, [false, 'a']]"),
        ({"a": None, 1: {}}, "{'a': null, 1: {}}"),
        (functools.reduce(lambda inner, _: [inner], range(3000), 1), 20 * "[" + "..." + 20 * "]"),
    ],
)
def test_what_was_read_is_shown_as_its_file_has_it(value: object, shown: str) -> None:
    assert as_read(value) == shown
