"""Typed settings read from YAML: unknown keys refused, errors name file, field and what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from data.errors import UserError
from data.fields import Place, place_of
from data.setting_words import wanted

_QUOTE = "'"


class ConfigError(UserError, ValueError):
    """A setting that cannot be used; the message says where, what was read and what would be right."""


class Config(BaseModel):
    """Base of all settings: frozen, hashable by content, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


ConfigType = TypeVar("ConfigType", bound=Config)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the mapping at the top of a YAML file.

    Raises ConfigError when the file is missing, is not YAML, repeats a key, or holds no mapping.
    """
    content = _load(path, yaml.load)
    if not isinstance(content, dict):
        found = "nothing" if content is None else type(content).__name__
        raise ConfigError(f"{path}: expected settings as `key: value`, found {found}")
    return content


def read_yaml_documents(path: Path) -> list[Any]:
    """Documents of a YAML file, separated in it by `---`; empty ones are left out.

    Raises ConfigError when the file is missing, is not YAML, or repeats a key.
    """
    documents = _load(path, lambda text, Loader: list(yaml.load_all(text, Loader)))
    return [document for document in documents if document is not None]


def _load(path: Path, load: Callable[..., Any]) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        return load(text, Loader=_StrictLoader)
    except ValueError as error:
        raise ConfigError(f"{path}: a value that cannot be: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}:{where} not valid YAML: {getattr(error, 'problem', error)}") from error


def parse(settings: type[ConfigType], content: Any, where: str) -> ConfigType:
    """Check `content` and return it as `settings`.

    Raises ConfigError with a line for each problem, opened by `where` (a file name, say).
    """
    try:
        return settings.model_validate(content)
    except ValidationError as error:
        lines = "\n".join(_describe(settings, error.errors())).splitlines()
        raise ConfigError("\n".join(f"{where}: {line}" for line in lines)) from None


def _describe(settings: type[BaseModel], problems: Sequence[Any]) -> list[str]:
    """A line for each thing that the writer has to mend."""
    placed = [(place_of(settings, problem["loc"]), problem) for problem in problems]
    meant = {
        place.nearest_field(settings) for place, problem in placed if problem["type"] == "extra_forbidden"
    }
    lines: dict[str, list[str]] = {}
    received: dict[str, str] = {}
    for place, problem in placed:
        # A value that may be of several types fails as each of them; the one that got furthest was meant.
        if any(other.path.startswith(f"{place.path}.") for other, _ in placed):
            continue
        if problem["type"] == "missing" and place.path in meant:
            continue
        where, what, got = _complaint(settings, place, problem)
        lines.setdefault(where, []).append(what)
        received[where] = f", got {got}" if got else ""
    return [
        (f"{where}: " if where else "") + _either(whats) + received[where] for where, whats in lines.items()
    ]


def _complaint(settings: type[BaseModel], place: Place, problem: Any) -> tuple[str, str, str]:
    """The field, what is wrong with it in words that a user knows, and the value that was read unless that is plain."""
    context = problem.get("ctx", {})
    match problem["type"]:
        case "extra_forbidden":
            return place.path, f"no such field{place.hint(settings)}", ""
        case "missing":
            return place.path, "required, but not given", ""
        case "value_error":
            return place.path, problem["msg"].removeprefix("Value error, "), ""
        case "union_tag_not_found":
            return f"{place.path}.{context['discriminator'].strip(_QUOTE)}", "required, but not given", ""
        case "union_tag_invalid":
            tag_place = f"{place.path}.{context['discriminator'].strip(_QUOTE)}"
            return tag_place, f"must be one of {context['expected_tags']}", repr(context["tag"])
        case _:
            received = repr(problem["input"])
            return (
                place.path,
                wanted(place.annotation, problem),
                received if len(received) <= 80 else received[:77] + "...",
            )


def _either(whats: Sequence[str]) -> str:
    return " or ".join(dict.fromkeys(whats)).replace(" or must be ", " or ")


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key written twice, where the plain loader keeps the last; 1e-3 is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            # The base class has the words for a key that cannot be one.
            if not isinstance(key, Hashable):
                continue
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is written twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


# YAML 1.1, which the plain loader follows, wants 1.0e-3; everybody writes 1e-3.
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
