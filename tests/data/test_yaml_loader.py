import contextlib
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from data.yaml_loader import DEEPEST, LARGEST, CoreLoader, OlderLoader


def core(text: str) -> object:
    return yaml.load(text, CoreLoader)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("-17", -17),
        ("0o17", 15),
        ("0xfF", 255),
        ("017", 17),
        ("1e-3", 0.001),
        ("+1E-3", 0.001),
        (".5", 0.5),
        ("3.", 3.0),
        ("-.inf", float("-inf")),
        ("!!float 3", 3.0),
        ("!!str 3", "3"),
        ("[1, a]", [1, "a"]),
    ],
)
def test_the_core_schema_reads(text: str, value: object) -> None:
    read = core(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text", ["off", "on", "yes", "no", "Off", "y", "1:30", "1:30:00", "2026-11-28", "1_000", "0x_", "1e", "-"]
)
def test_what_only_older_yaml_takes_for_a_value_is_text(text: str) -> None:
    if text == "-":
        assert core("[a, '-']") == ["a", "-"]
    else:
        assert core(text) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False), st.lists, max_leaves=20
    )
)
def test_what_was_written_is_read_again(value: object) -> None:
    assert core(yaml.safe_dump(value)) == value


def test_a_merge_takes_keys_of_another_mapping() -> None:
    assert core("{base: &b {a: 1, b: 2}, other: {<<: *b, b: 3}}") == {
        "base": {"a": 1, "b": 2},
        "other": {"a": 1, "b": 3},
    }


@pytest.mark.parametrize("loader", [CoreLoader, OlderLoader])
@pytest.mark.parametrize(
    "text",
    [
        "!!int x",
        "!!int ''",
        "!!bool x",
        "!!float x",
        "!!map x",
        "!!seq x",
        "!!str [a]",
        "!!int [1]",
        "!!binary abc",
        "!!set {a}",
        "!!omap [a: 1]",
        "!!python/object/apply:os.system [ls]",
        "!own x",
        "&a {b: *a}",
        "&a [*a]",
        "{a: 1, a: 2}",
        "{<<: 5}",
        "{[1]: 2}",
        "1" + 4000 * "0",
        "0x1" + 4000 * "0",
        "[" * 60 + "]" * 60,
        "[" * 20_000,
        "\x00",
        "a: b: c",
    ],
)
def test_what_is_no_plain_value_is_an_error_of_yaml(loader: type[OlderLoader], text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        yaml.load(text, loader)


def test_older_yaml_is_read_as_other_programs_do() -> None:
    assert yaml.load("[yes, off, 1:30, 0b11]", OlderLoader) == [True, False, 90, 3]
    with pytest.raises(yaml.YAMLError, match="no value of the type timestamp"):
        yaml.load("2026-13-45", OlderLoader)


def bomb(first: str, level: str) -> str:
    names = [f"a{number}" for number in range(9)]
    below = [first, *(level.format(f"*{name}") for name in names[:-1])]
    return "\n".join(f"{name}: &{name} {content}" for name, content in zip(names, below, strict=True))


@pytest.mark.parametrize(
    ("first", "level"),
    [
        ("[lol]", "[" + ", ".join(9 * ["{0}"]) + "]"),
        ("{k: v}", "{{" + ", ".join(f"k{number}: {{0}}" for number in range(9)) + "}}"),
        ("{k: v}", "{{<<: [" + ", ".join(9 * ["{0}"]) + "]}}"),
    ],
)
def test_aliases_do_not_explode(first: str, level: str) -> None:
    began = time.process_time()
    with pytest.raises(yaml.YAMLError, match="aliases that stand for more than"):
        core(bomb(first, level))
    assert time.process_time() - began < 5


@pytest.mark.parametrize("text", [r'"\ud800"', r'{"a\udfff": 1}', r'["\ud83d"]'])
def test_half_a_character_which_no_file_can_hold_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match=r"\\ud\w+.* is no value of the type str"):
        core(text)


def test_aliases_of_a_study_are_read() -> None:
    assert core("{a: &a [1, 2], b: *a, c: *a}") == {"a": [1, 2], "b": [1, 2], "c": [1, 2]}


def test_bounds_leave_room_for_what_people_write() -> None:
    assert LARGEST >= 100_000
    assert core("[" * (DEEPEST - 1) + "1" + "]" * (DEEPEST - 1)) is not None


@given(st.text(alphabet="{}[]&*!<>|:,?-'\"% \n\tabc01.~#"))
def test_any_text_is_a_value_or_an_error_of_yaml(text: str) -> None:
    with contextlib.suppress(yaml.YAMLError):
        core(text)
