"""What is wrong with a search space: names of no field, conditions that cannot be met, values that make no recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data.errors import as_read
from data.fields import field_paths, hint
from data.quantities import counted
from data.settings import ConfigError
from model.training.recipe import Recipe
from sweep.config.parameters import CategoricalParameter, Value, written
from sweep.study.board import FOLD

if TYPE_CHECKING:
    from sweep.config.search_space import SearchSpace

SCORING_FIELDS = ("folds", "selection", "min_sensitivity", "sharpness_rho")
"""Recipe fields that decide how a run is scored. A search must not vary them: the best value is the easiest exam.

At another radius sharpness is another number.
"""
RECIPE = "recipe"
"""How a line of what is wrong with a recipe begins."""
MOST_VALUES_TOLD, MOST_REASONS_TOLD = 10, 3
OWN_FIELDS = "backbone.config."
"""How fields of a network of the user's own begin; it has what names it likes."""
BANDS = "features.bands."
"""How fields begin that say by a ranking or by ranges which bands are kept."""
SEARCHED_BANDS = (f"{BANDS}keep", f"{BANDS}ranges")
"""Those of them that a study may search: it rests on one ranking, which its provenance names."""


def problems_of(space: SearchSpace) -> list[str]:
    """Say what is wrong with a search space, in a line for each field; empty for one that can be searched."""
    return _field_problems(space) or _value_problems(space)


def check_field(path: str, *, crosses: bool = False) -> None:
    """Raise ConfigError unless a study may search the recipe field at a dotted path; for `crosses` see `SearchSpace`."""
    if path.split(".")[0] in SCORING_FIELDS and not (crosses and path == FOLD):
        raise ConfigError(
            f"search.{path}: says how a configuration is scored, so it must be the same for all"
        )
    if path not in field_paths(Recipe) and not path.startswith(OWN_FIELDS):
        raise ConfigError(f"search.{path}: no such field{hint(Recipe, path)}")
    if path.startswith(BANDS) and path not in SEARCHED_BANDS:
        raise ConfigError(
            f"search.{path}: a study rests on one ranking of bands, so it may search {' or '.join(SEARCHED_BANDS)}"
        )


def _field_problems(space: SearchSpace) -> list[str]:
    """Say what is wrong with the names of fields, and with those that conditions name."""
    problems = []
    for path, parameter in space.parameters.items():
        try:
            check_field(path, crosses=space.crosses)
            for other, values in parameter.conditions.items():
                _check_condition(space, path, other, values)
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        # A name that is no field is none at any point; other faults may be mended by searched values.
        fixed = (_problem(space, {}) or "").splitlines()
        problems += [line for line in fixed if ": no such field" in line]
    return problems


def _value_problems(space: SearchSpace) -> list[str]:
    """Say which fields have a value that makes no recipe, or what is wrong with the fixed fields."""
    wrong: dict[str, list[tuple[Value, str]]] = {}
    bad: dict[str, tuple[Value, ...]] = {}
    # A field of the wrong kind hides what contradicts the rest, until it has another value.
    for _ in range(2):
        wrong = {path: told for path in space.parameters if (told := _wrong_values(space, path, bad))}
        bad = {path: tuple(value for value, _ in told) for path, told in wrong.items()}
        if not bad:
            break
    problems = [_told_of_values(path, told) for path, told in wrong.items()]
    fixed_problem = _problem(space, {})
    for path, parameter in space.parameters.items():
        for value in parameter.probes():
            problem = (None if path in wrong else _problem(space, space.point_with(path, value, bad))) or ""
            # What is wrong with another field's own values is told of that field alone.
            lines = [line for line in problem.splitlines() if not _is_told_of(line, wrong)]
            if lines and problem == fixed_problem:
                return [*problems, problem]
            if lines:
                problems.append(f"search.{path}: {written(value)} makes no " + "\n".join(lines))
                break
    return problems


def _wrong_values(
    space: SearchSpace, path: str, bad: Mapping[str, tuple[Value, ...]]
) -> list[tuple[Value, str]]:
    """List the values of a field that the field itself cannot have, each with why; of a range the first one."""
    wrong: list[tuple[Value, str]] = []
    parameter = space.parameters[path]
    for value in parameter.probes():
        lines = (_problem(space, space.point_with(path, value, bad)) or "").splitlines()
        if own := [line for line in lines if _is_told_of(line, [path])]:
            wrong.append((value, "\n".join(own)))
        if wrong and not isinstance(parameter, CategoricalParameter):
            break
    return wrong


def _check_condition(space: SearchSpace, path: str, other: str, values: tuple[Value, ...] | None) -> None:
    if other not in space.parameters:
        raise ConfigError(f"search.{path}: its condition names {other}, which this study does not search")
    parent = space.parameters[other]
    for value in values or ():
        if not parent.admits(value):
            raise ConfigError(
                f"search.{path}: its condition waits for {other} = {written(value)}, "
                "which is not among the values to search"
            )
    if values is None and all(value is None for value in parent.probes()):
        raise ConfigError(f"search.{path}: its condition waits for {other}, which is always null")


def _problem(space: SearchSpace, values: Mapping[str, Any]) -> str | None:
    try:
        space.recipe(values)
    except ConfigError as error:
        return str(error)
    return None


def _is_told_of(line: str, paths: Iterable[str]) -> bool:
    """Whether a line of what is wrong with a recipe is of one of the fields, or of what lies within it."""
    return any(line.startswith((f"{RECIPE}: {path}:", f"{RECIPE}: {path}.")) for path in paths)


def _told_of_values(path: str, wrong: Sequence[tuple[Value, str]]) -> str:
    """Name a field and its values that make no recipe, with what is wrong with them."""
    values, reasons = [written(value) for value, _ in wrong[:MOST_VALUES_TOLD]], [why for _, why in wrong]
    if len(wrong) == 1:
        return f"search.{path}: {values[0]} makes no {reasons[0]}"
    if len(wrong) > MOST_VALUES_TOLD:
        values.append(counted(len(wrong) - MOST_VALUES_TOLD, "other choice"))
    # Without the value itself, several values have one reason.
    kinds = dict.fromkeys(reason.removesuffix(f", got {as_read(value)}") for value, reason in wrong)
    told = "; ".join(kind.removeprefix(f"{RECIPE}: ") for kind in [*kinds][:MOST_REASONS_TOLD])
    return f"search.{path}: {', '.join(values[:-1])} and {values[-1]} make no {RECIPE}: {told}"
