"""Every error that a user can mend has one root, and its docstring draws them all."""

import importlib
import pkgutil
import re

import data
import model
import sweep
from data.errors import UserError


def drawn() -> list[tuple[int, str]]:
    """Depth and name of each error in the docstring's tree."""
    lines = (UserError.__doc__ or "").splitlines()
    rows = [re.match(r"[\s├└─│]*(\w+Error)\b", line) for line in lines if "──" in line]
    return [((match.start(1) - 8) // 4, match[1]) for match in rows if match is not None]


def below(error: type[Exception], depth: int = 1) -> list[tuple[int, str]]:
    return [
        row
        for child in error.__subclasses__()
        if child.__module__.split(".")[0] in ("data", "model", "sweep")
        for row in [(depth, child.__name__), *below(child, depth + 1)]
    ]


def test_the_tree_shows_the_errors_that_there_are() -> None:
    for package in (data, model, sweep):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    assert sorted(drawn()) == sorted(below(UserError))
