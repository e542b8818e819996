"""A study file in other words than ours: read where they can mean one thing alone, else told how to write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from data.errors import as_read
from data.fields import field_paths
from data.settings import ConfigError
from model.training.recipe import Recipe

NAMED = ("sampler", "pruner", "racing")
"""Settings of which the name alone may be written: `pruner: none`."""
FIELDS = {
    "parameters": "search",
    "search_space": "search",
    "space": "search",
    "hyperparameters": "search",
    "method": "sampler",
    "algorithm": "sampler",
    "metric": "objective",
    "early_terminate": "pruner",
    "n_trials": "budget.configurations",
    "num_samples": "budget.configurations",
    "run_cap": "budget.configurations",
}
"""Settings of other tools, and ours that is nearest."""
OURS = ("type", "low", "high", "log", "step", "choices", "when")
"""What a parameter may say."""
RENAMED = {
    "min": "low",
    "minimum": "low",
    "lower": "low",
    "max": "high",
    "maximum": "high",
    "upper": "high",
    "values": "choices",
    "options": "choices",
    "q": "step",
}
"""What parameters of other tools say, in our words."""
DISTRIBUTIONS = ("distribution", "dist", "sampling", "scale")
MANY_SEEDS = 20
"""Seeds that a message writes out."""


def in_our_words(content: Mapping[str, Any]) -> dict[str, Any]:
    """Bring what can mean one thing alone into the form of a study file: names of samplers, nested searched fields.

    Raises ConfigError, in a line each with what to write, for the words of other tools, and for a number of seeds.
    """
    problems = [
        f"{name}: no such field; what other tools call so is {ours} here (docs/study_file.md)"
        for name, ours in FIELDS.items()
        if name in content
    ]
    problems += [
        f"{name}: read {as_read(content[name])}; write none to have none, or leave the line out for the default"
        for name in ("pruner", "racing")
        if name in content and (content[name] is None or content[name] is False)
    ]
    seeds = content.get("seeds")
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        listed = [*range(1, seeds + 1)] if 1 <= seeds <= MANY_SEEDS else "[1, 2, ...]"
        problems.append(f"seeds: {seeds} may mean that many seeds or this one; write {listed} or [{seeds}]")
    named = {name: {"name": content[name]} for name in NAMED if isinstance(content.get(name), str)}
    search = content.get("search")
    if not isinstance(search, Mapping):
        search = {}
    elif not problems:
        named["search"] = _dotted(search)
    problems += [
        f"search.{path}: {_quoted(parameter)} is not how a parameter is written here; write {advice}"
        for path, parameter in _leaves(search)
        if (advice := _advice(parameter))
    ]
    if problems:
        raise ConfigError("\n".join(problems))
    return {**content, **named}


def _dotted(search: Mapping[Any, Any]) -> dict[Any, Any]:
    """Write searched fields by dotted name that were nested as in a recipe."""
    dotted: dict[Any, Any] = {}
    for path, parameter in _leaves(search):
        if path in dotted:
            raise ConfigError(f"search.{path}: is there twice, nested and by its dotted name; write it once")
        dotted[path] = parameter
    return dotted


def _leaves(search: Mapping[Any, Any], above: str = "") -> Iterator[tuple[Any, Any]]:
    for name, inner in search.items():
        path = f"{above}{name}" if isinstance(name, str) else name
        if _is_group(path, inner):
            yield from _leaves(inner, f"{path}.")
        else:
            yield path, inner


def _is_group(path: Any, inner: Any) -> bool:
    """Whether a searched name is a group of recipe fields, and holds fields of it rather than a parameter."""
    if not isinstance(inner, Mapping) or not inner or {*inner} & {*OURS, *RENAMED, *DISTRIBUTIONS}:
        return False
    return any(field.startswith(f"{path}.") for field in field_paths(Recipe))


def _advice(parameter: Any) -> str | None:
    """The parameter in our words, as YAML; None for one that has no word of another tool."""
    if isinstance(parameter, list):
        return _yaml({"type": "categorical", "choices": parameter})
    if not isinstance(parameter, Mapping) or not {*parameter} & {*RENAMED, *DISTRIBUTIONS}:
        return None
    ours = {RENAMED.get(name, name): value for name, value in parameter.items()}
    how = " ".join(str(ours[name]).lower() for name in DISTRIBUTIONS if name in ours)
    bounds = [ours.get("low"), ours.get("high")]
    if "choices" in ours:
        return _yaml({"type": "categorical", "choices": ours["choices"]})
    if None in bounds or "normal" in how or "beta" in how:
        return "{type: float, low: ..., high: ...} or {type: categorical, choices: [...]}"
    written = {
        "type": "int" if all(isinstance(bound, int) for bound in bounds) else "float",
        "low": bounds[0],
        "high": bounds[1],
        **({"log": True} if "log" in how or ours.get("log") else {}),
        **({"step": ours["step"]} if "step" in ours else {}),
    }
    exponents = how in ("log_uniform", "q_log_uniform")
    return _yaml(written) + ("; low and high are the values themselves, not logarithms" if exponents else "")


def _quoted(parameter: Any) -> str:
    text = _yaml(parameter)
    return text if len(text) <= 80 else text[:77] + "..."


def _yaml(value: Any) -> str:
    """Write a value as YAML on one line."""
    return yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=10**9, allow_unicode=True
    ).strip()
