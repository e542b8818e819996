import pytest

from data.json_text import check_sum, parse_json


def test_json_is_read() -> None:
    assert parse_json(b'{"a": [1, 0.5, null, true, "b"]}') == {"a": [1, 0.5, None, True, "b"]}


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "NaN", "[Infinity]", "[" * 10**5, '{"a":' * 10**5, b"\xff\xfe\x00", "1" * 10**5),
        *(r'["\ud800"]', rb'{"\uDFFF": 1}'),
    ],
)
def test_all_else_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_characters_in_two_halves_are_read() -> None:
    assert parse_json(rb'"\ud83e\udec1 \ud83E\uDEC1"') == parse_json('"\U0001fac1 \U0001fac1"')


def test_a_check_sum_follows_the_content_and_not_its_order() -> None:
    assert check_sum({"a": 1, "b": 2}) == check_sum({"b": 2, "a": 1})
    assert check_sum({"a": 1, "b": 2}) != check_sum({"a": 2, "b": 1})
