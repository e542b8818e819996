"""Every error that a user can mend has one root, and its docstring draws them all."""

import functools
import importlib
import pkgutil
import re
from datetime import date, datetime

import pytest

import data
import model
import sweep
from data.errors import LONGEST_LINE, DataError, UserError, as_read
from data.settings import ConfigError, parse
from model.training.recipe import Recipe


def drawn() -> set[tuple[str, str]]:
    """Parent and name of each error in the docstring's tree."""
    above, found = ["UserError"], set()
    for line in (UserError.__doc__ or "").splitlines():
        match = re.match(r"[\s├└─│]*(\w+Error)\b", line)
        if match is not None and "──" in line:
            depth = (match.start(1) - 8) // 4
            above[depth:] = [match[1]]
            found.add((above[depth - 1], match[1]))
    return found


def below(error: type[Exception]) -> set[tuple[str, str]]:
    """Parent and name of each error of ours that is a kind of `error`."""
    ours = [
        child
        for child in error.__subclasses__()
        if child.__module__.split(".")[0] in ("data", "model", "sweep")
    ]
    return {row for child in ours for row in [(error.__name__, child.__name__), *below(child)]}


def test_the_tree_shows_the_errors_that_there_are() -> None:
    for package in (data, model, sweep):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    assert drawn() == below(UserError)


def test_control_characters_of_names_are_shown_and_not_obeyed() -> None:
    assert str(DataError("2_\x1b[31mDEV.wav: broken\nb\u202e\r")) == r"2_\x1b[31mDEV.wav: broken\nb\u202e\r"


def test_names_in_an_error_feign_no_line_and_steer_no_terminal() -> None:
    assert str(DataError("a\nerror: b\x1b[2J\x9b.wav")) == r"a\nerror: b\x1b[2J\x9b.wav"
    # What is wrong with settings has a line each.
    assert str(ConfigError("a.yaml: b\na.yaml: c\x1b")) == "a.yaml: b\na.yaml: c\\x1b"


def test_a_line_keeps_its_ends_however_long_is_what_a_file_says() -> None:
    said = str(
        ConfigError(f"study.yaml: epochs: read {'9' * 100_000}; expected a number\nstudy.yaml: seeds: none")
    )
    first, second = said.split("\n")
    assert first.startswith("study.yaml: epochs: read 999")
    assert first.endswith("999; expected a number")
    assert LONGEST_LINE * 0.9 < len(first) <= LONGEST_LINE
    assert second == "study.yaml: seeds: none"
    assert str(UserError("x" * LONGEST_LINE)) == "x" * LONGEST_LINE


def test_a_key_of_settings_feigns_no_line() -> None:
    with pytest.raises(ConfigError) as refused:
        parse(Recipe, {"epochs\nerror: \x1b[2J": 1}, "a.yaml")
    assert str(refused.value).startswith(r"a.yaml: epochs\nerror: \x1b[2J: no such field")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        ("None", "'None'"),
        (1e-05, "1e-05"),
        ([date(2024, 1, 31), datetime(2024, 1, 31, 9, 30)], "[2024-01-31, 2024-01-31 09:30:00]"),
        ([None, (False, "a")], "[null, [false, 'a']]"),
        ({"a": None, 1: {}}, "{'a': null, 1: {}}"),
        (functools.reduce(lambda inner, _: [inner], range(3000), 1), 20 * "[" + "..." + 20 * "]"),
    ],
)
def test_what_was_read_is_shown_as_its_file_has_it(value: object, shown: str) -> None:
    assert as_read(value) == shown
