"""Which recipe fields a study varies: dotted field -> parameter, with conditions between them."""

from __future__ import annotations

import contextlib
import copy
import difflib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from data.own_code import is_own
from data.population import Population, as_population
from data.settings import ConfigError, parse
from model.training.recipe import Recipe
from sweep.config.parameters import (
    LONGEST_GRID,
    AnyParameter,
    Value,
    all_tuples,
    includes,
    written,
)
from sweep.config.space_checks import BANDS, RECIPE, problems_of

NETWORK = "backbone.name"
POPULATION = "population"


@dataclass(frozen=True)
class SearchSpace:
    """The varied fields by dotted name, and the fixed ones, nested as in a recipe file.

    With `crosses` the fold that validates is varied as well, which a study may only that chooses nothing by it.
    Raises ConfigError, with a line for each field that does not exist, has a value that makes no recipe, or a condition
    that cannot be met.
    """

    parameters: Mapping[str, AnyParameter]
    fixed: Mapping[str, Any]
    crosses: bool = False

    def __post_init__(self) -> None:
        if problems := problems_of(self):
            raise ConfigError("\n".join(problems))

    def order(self) -> list[str]:
        """Order the varied fields, each after the fields that its condition names."""
        ordered: list[str] = []
        while len(ordered) < len(self.parameters):
            ready = [
                path
                for path, parameter in self.parameters.items()
                if path not in ordered and all(other in ordered for other in parameter.conditions)
            ]
            if not ready:
                stuck = [path for path in self.parameters if path not in ordered]
                raise ConfigError(f"search: the conditions of {', '.join(stuck)} wait for each other")
            ordered += ready
        return ordered

    def sample(self, draw: Callable[[str, AnyParameter], Any]) -> dict[str, Any]:
        """Draw a point: `draw(field, parameter)` for every field whose condition holds, in order."""
        values: dict[str, Any] = {}
        for path in self.order():
            if self._holds(path, values):
                values[path] = draw(path, self.parameters[path])
        return values

    def active(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out of `values` the fields whose condition does not hold."""
        return self.sample(lambda path, _: values[path])

    def recipe(self, values: Mapping[str, Any]) -> Recipe:
        """Build the recipe at a point. Raises ConfigError when the values contradict each other."""
        content = copy.deepcopy(dict(self.fixed))
        for path, value in values.items():
            *groups, last = path.split(".")
            target = content
            for group in groups:
                # A group of settings that may be null is null where nothing of it is fixed.
                if target.get(group) is None:
                    target[group] = {}
                target = target[group]
                if not isinstance(target, dict):
                    return self._without_group(path, target)
            target[last] = value
        return parse(Recipe, content, RECIPE)

    def _without_group(self, path: str, value: Any) -> Recipe:
        """Refuse fixed fields with a value where a searched field's group should be: most are no recipe at all."""
        parse(Recipe, self.fixed, RECIPE)
        group = path.rpartition(".")[0]
        raise ConfigError(
            f"recipe.{group}: must be settings or null, as the study searches {path}, got {written(value)}"
        )

    def own_networks(self) -> list[Recipe]:
        """List a recipe for each network of the user's own that the search may come to.

        Every searched field is at its first value that the others allow. Raises ConfigError when such a point makes no
        recipe.
        """
        first = {path: parameter.probes()[0] for path, parameter in self.parameters.items()}
        names = self.parameters.get(NETWORK)
        points = (
            [self.active(first)]
            if names is None
            else [self.point_with(NETWORK, name) for name in names.probes()]
        )
        recipes = (
            self.recipe(point) for point in points if is_own(str(point.get(NETWORK, self._fixed_network)))
        )
        return list(recipes)

    def populations(self) -> list[Population]:
        """List the populations of whose cycles the search may train a network (`population` of a recipe)."""
        parameter, fixed = self.parameters.get(POPULATION), [self.fixed.get(POPULATION, "all")]
        if parameter is not None:
            fixed = [*parameter.probes(), *(fixed if parameter.conditions else [])]
        found: list[Population] = [as_population(one) for one in fixed]
        return [one for place, one in enumerate(found) if one not in found[:place]]

    def first_point(self) -> dict[str, Any]:
        """Find a point that makes a recipe: the first searched field at its first value, and all that this needs."""
        path, parameter = next(iter(self.parameters.items()))
        return self.point_with(path, parameter.probes()[0])

    def point_with(
        self, path: str, value: Value, bad: Mapping[str, tuple[Value, ...]] | None = None
    ) -> dict[str, Any]:
        """Find a point at which a searched field has a value, every other field at its first one that allows this.

        Values of a field that are `bad` are taken where no other one will do. Raises ConfigError for conditions that no
        point meets.
        """

        def good_first(name: str, values: Iterable[Value]) -> list[Value]:
            return sorted(values, key=lambda one: includes((bad or {}).get(name, ()), one))

        reached = self._reach({path: value}, good_first)
        if reached is None:
            raise ConfigError(f"search.{path}: its conditions exclude each other")
        return reached

    def recipes_over(self, *paths: str) -> list[Recipe]:
        """List a recipe for each combination of values of some fields, of a range for both ends, that makes one.

        None where any of the fields is not searched. Other fields are at the first value that allows it; combinations
        that conditions exclude, or whose values contradict each other, are left out, as a search leaves them out.
        """
        if any(path not in self.parameters for path in paths):
            return []
        recipes = []
        for values in itertools.product(*(self.parameters[path].probes() for path in paths)):
            point = self._reach(dict(zip(paths, values, strict=True)))
            if point is not None:
                with contextlib.suppress(ConfigError):
                    recipes.append(self.recipe(point))
        return recipes

    @property
    def _fixed_network(self) -> str:
        backbone = self.fixed.get("backbone")
        return str(backbone.get("name")) if isinstance(backbone, Mapping) else ""

    def epochs(self, values: Mapping[str, Any]) -> int:
        """Number of epochs at a point. Raises ConfigError when the values contradict each other."""
        return self.recipe(values).epochs

    def check_point(self, values: Mapping[str, Any]) -> None:
        """Raise ConfigError unless the search may come to `values`."""
        for path in values:
            if path not in self.parameters:
                near = difflib.get_close_matches(path, self.parameters, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ConfigError(f"{path}: this study does not search that field{hint}")
            if not self.parameters[path].admits(values[path]):
                raise ConfigError(f"{path}: {written(values[path])} is outside what the study searches")
        missing = [path for path in self.sample(lambda path, _: values.get(path)) if path not in values]
        if missing:
            raise ConfigError(f"no value for {missing[0]}, which this study searches")
        self.recipe(self.active(values))

    def grid_points(self) -> list[dict[str, Any]]:
        """List every combination of values that the conditions admit.

        Raises ConfigError for a continuous parameter, and for more than `LONGEST_GRID` combinations.
        """
        points: list[dict[str, Any]] = [{}]
        for path in self.order():
            grid = self._grid(path)
            _check_length(sum(len(grid) if self._holds(path, point) else 1 for point in points), path)
            points = [extended for point in points for extended in self._extended(point, path, grid)]
        return points

    def axis_points(self) -> list[dict[str, Any]]:
        """List points that take one field at a time through its values, the others as in the fixed recipe, as papers do.

        The first point is the fixed recipe itself. Raises ConfigError for a continuous parameter, and for more than
        `LONGEST_GRID` points.
        """
        recipe = self.recipe({}).model_dump()
        # Of bands a recipe keeps the indices, however they were written.
        said = {path: self.fixed if path.startswith(BANDS) else recipe for path in self.parameters}
        centre = {path: all_tuples(_lookup(content, path)) for path, content in said.items()}
        for path, value in centre.items():
            if not self.parameters[path].admits(value):
                raise ConfigError(
                    f"search.{path}: one at a time starts from the recipe's {written(value)}, "
                    "which is not among the values to search"
                )
        points = [self.active(centre)]
        for path in self.order():
            grid = self._grid(path)
            _check_length(len(points) + len(grid), path)
            moved = [self.active({**centre, path: value}) for value in grid]
            points += [point for point in moved if point not in points]
        return points

    def _extended(self, point: dict[str, Any], path: str, grid: list[Any]) -> list[dict[str, Any]]:
        return [{**point, path: value} for value in grid] if self._holds(path, point) else [point]

    def _grid(self, path: str) -> list[Any]:
        values = self.parameters[path].grid()
        if values is None:
            raise ConfigError(
                f"search.{path}: a grid needs a step or a list of choices, and not more than {LONGEST_GRID:,} values"
            )
        return values

    def _holds(self, path: str, values: Mapping[str, Any]) -> bool:
        conditions = self.parameters[path].conditions
        return all(
            other in values and _allows(allowed, values[other]) for other, allowed in conditions.items()
        )

    def _reach(
        self,
        chosen: Mapping[str, Value],
        ordered: Callable[[str, Iterable[Value]], Sequence[Value]] = lambda _, values: [*values],
    ) -> dict[str, Any] | None:
        """Find a point at which some fields have these values; None where conditions exclude it.

        Every other field is at its first value, as `ordered` puts them, that allows this.
        """
        values = {name: ordered(name, parameter.probes())[0] for name, parameter in self.parameters.items()}
        values.update(chosen)
        wanted = [*chosen]
        for name in reversed(self.order()):
            if name in wanted:
                for other, allowed in self.parameters[name].conditions.items():
                    if not _allows(allowed, values[other]):
                        candidates = self.parameters[other].probes() if allowed is None else allowed
                        values[other] = next(filter(partial(_allows, allowed), ordered(other, candidates)))
                    wanted.append(other)
        reached = self.active(values)
        kept = all(path in reached and values[path] == value for path, value in chosen.items())
        return reached if kept else None


def _check_length(points: int, path: str) -> None:
    if points > LONGEST_GRID:
        raise ConfigError(
            f"search.{path}: makes a grid of {points:,} points or more; at most {LONGEST_GRID:,} are gone through, so "
            "search fewer values, or take another sampler with a budget"
        )


def _allows(allowed: tuple[Value, ...] | None, value: Value) -> bool:
    return value is not None if allowed is None else includes(allowed, value)


def _lookup(content: Mapping[str, Any], path: str) -> Any:
    *groups, last = path.split(".")
    for group in groups:
        content = content.get(group) or {}
    return content.get(last)
