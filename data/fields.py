"""The fields of settings by dotted path, and what a mistaken path may have meant."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel


def field_paths(settings: type[BaseModel]) -> list[str]:
    """List the dotted paths of all fields, those of nested settings included: `patch_mix.temperature`."""
    paths = []
    for name, field in settings.model_fields.items():
        paths.append(name)
        for nested in nested_settings(field.annotation):
            paths += [f"{name}.{inner}" for inner in field_paths(nested)]
    return paths


def nested_settings(annotation: Any) -> list[type[BaseModel]]:
    """The settings classes that an annotation admits: itself, or members of a union."""
    return [option for option in _options(annotation) if _is_settings(option)]


def nearest_field(settings: type[BaseModel], path: str) -> str | None:
    """The field of `settings` whose dotted path is most like `path`, or None when none is."""
    fields = field_paths(settings)
    close = difflib.get_close_matches(path, fields, n=1, cutoff=0.6)
    if close:
        return close[0]
    last = path.rpartition(".")[2]
    by_last = {field.rpartition(".")[2]: field for field in fields}
    close = difflib.get_close_matches(last, by_last, n=1, cutoff=0.6)
    return by_last[close[0]] if close else None


@dataclass(frozen=True)
class Place:
    """A place in settings as their writer sees it; `holder`: the settings class whose field it is, if any."""

    path: str
    holder: type[BaseModel] | None

    def nearest_field(self, settings: type[BaseModel]) -> str | None:
        """Find the field that the writer may have meant: one of the same holder, or else one anywhere in `settings`."""
        group, dot, name = self.path.rpartition(".")
        beside = difflib.get_close_matches(name, self.holder.model_fields if self.holder else (), n=1)
        return f"{group}{dot}{beside[0]}" if beside else nearest_field(settings, self.path)


def place_of(settings: type[BaseModel], location: Sequence[str | int]) -> Place:
    """Translate the `location` that pydantic gives an error into a place in the settings.

    Where a union stands, pydantic also names the member that it tried; such a name is no key, and is left out.
    """
    path: list[str] = []
    annotation: Any = settings
    holder = None
    for part in location:
        options = _options(annotation)
        if len(options) > 1:
            annotation = next((option for option in options if _is_called(option, str(part))), Any)
        elif part != "[key]":
            path.append(str(part))
            holder = options[0] if _is_settings(options[0]) else None
            annotation = _inside(options[0], str(part))
    return Place(".".join(path), holder)


def _options(annotation: Any) -> list[Any]:
    """Members of a union, but for None; else the annotation itself."""
    annotation = _bare(annotation)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        return [option for member in members for option in _options(member)]
    return [annotation]


def _bare(annotation: Any) -> Any:
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation


def _is_settings(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_called(option: Any, branch: str) -> bool:
    """Whether pydantic calls this member of a union `branch`: its type, or the value of its discriminator."""
    if _is_settings(option):
        literals = [field.annotation for field in option.model_fields.values()]
        tags = [
            tag for kind in literals if typing.get_origin(kind) is Literal for tag in typing.get_args(kind)
        ]
        return branch == option.__name__ or branch in tags
    origin = typing.get_origin(option)
    return branch.startswith(f"{origin.__name__}[") if origin else branch == getattr(option, "__name__", None)


def _inside(annotation: Any, part: str) -> Any:
    """Annotation of what lies under a field, a key or an index."""
    if _is_settings(annotation):
        field = annotation.model_fields.get(part)
        return field.annotation if field else Any
    arguments = [argument for argument in typing.get_args(annotation) if argument is not Ellipsis]
    return arguments[-1] if arguments else Any
