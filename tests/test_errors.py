"""Every error that a user can mend has one root, and its docstring draws them all."""

import importlib
import pkgutil
import re

import data
import model
import sweep
from data.errors import DataError, UserError


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
    assert (
        str(DataError("2_\x1b[31mDEV.wav: broken\nb\u202e\r"))
        == r"2_\x1b[31mDEV.wav: broken" + "\n" + r"b\u202e\r"
    )
