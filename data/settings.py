"""Typed settings read from YAML: unknown keys refused, errors name file, field and what would be right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError

from data.errors import UserError, as_read, one_line
from data.fields import Place, place_of
from data.plain_numbers import refuse_truth_values
from data.setting_words import advice, wanted
from data.yaml_loader import LARGEST, CoreLoader, OlderLoader

_QUOTE = "'"


class ConfigError(UserError, ValueError):
    """A setting that cannot be used; the message says where, what was read and what would be right."""

    several_lines = True


class Config(BaseModel):
    """Base of all settings: frozen, hashable by content, and strict about names; true and false are no numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> Any:
        schema = handler(source)
        refuse_truth_values(cast(dict[str, Any], handler.resolve_ref_schema(schema)))
        return schema

    def by_default(self, field: str) -> str:
        """Say after a field's value in an error that nobody wrote it: ` (the default)`; empty for one that was given."""
        return "" if field in self.model_fields_set else " (the default)"


ConfigType = TypeVar("ConfigType", bound=Config)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the mapping at the top of a YAML file, by the core schema of YAML 1.2 (`data.yaml_loader`).

    Raises ConfigError when the file is missing, is not YAML, repeats a key, or holds no mapping.
    """
    content = _load(path, CoreLoader, yaml.load)
    if not isinstance(content, dict):
        found = "nothing" if content is None else type(content).__name__
        raise ConfigError(f"{path}: expected settings as `key: value`, found {found}")
    return content


def read_yaml_documents(path: Path) -> list[Any]:
    """Documents of a file that other programs read as YAML 1.1, separated in it by `---`; empty ones are left out.

    Raises ConfigError when the file is missing, is not YAML, or repeats a key.
    """
    documents = _load(path, OlderLoader, lambda text, loader: list(yaml.load_all(text, loader)))
    return [document for document in documents if document is not None]


def read_yaml_value(text: str, where: str) -> Any:
    """Read a value in YAML, as `read_yaml` does. Raises ConfigError, opened by `where`, for other text."""
    try:
        return yaml.load(text, CoreLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: no YAML value: {_problem(error)}") from error


def _load(path: Path, loader: type[OlderLoader], load: Callable[[str, Any], Any]) -> Any:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LARGEST + 1)
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: no text in UTF-8 (byte {error.start}); expected a file of settings, in YAML"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(text) > LARGEST:
        raise ConfigError(f"{path}: more than {LARGEST:,} characters; expected a file of settings")
    try:
        return load(text, loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}:{where} not valid YAML: {_problem(error)}") from error


def _problem(error: yaml.YAMLError) -> str:
    """What a YAML error says, on one line."""
    return " ".join(str(getattr(error, "problem", None) or error).split())


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
        where = one_line(where)
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
            # Pydantic's own word for the tag is text, whatever was read.
            read, name = problem["input"], context["discriminator"].strip(_QUOTE)
            tag = read.get(name, context["tag"]) if isinstance(read, dict) else context["tag"]
            return tag_place, f"must be one of {context['expected_tags']}", as_read(tag)
        case _:
            value = problem["input"]
            received = as_read(value)
            shown = received if len(received) <= 80 else received[:77] + "..."
            return place.path, wanted(place.annotation, problem), shown + advice(place.annotation, value)


def _either(whats: Sequence[str]) -> str:
    return " or ".join(dict.fromkeys(whats)).replace(" or must be ", " or ")
