"""The fields of settings by dotted path, and what a mistaken path may have meant."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

COMMON_WORDS = {
    "optimizer": "optimiser",
    "lr": "learning_rate",
    "wd": "weight_decay",
    "bs": "batch_size",
    "sr": "sample_rate",
    "fmin": "low_hz",
    "f_min": "low_hz",
    "fmax": "high_hz",
    "f_max": "high_hz",
    "trials": "configurations",
    "n_trials": "configurations",
    "max_trials": "configurations",
    "hours": "wall_clock",
    "wall_time": "wall_clock",
    "walltime": "wall_clock",
}
"""Names that other tools and papers give to fields, and ours."""


@dataclass(frozen=True)
class FieldsOf:
    """Annotation of a field that holds a mapping: its keys are fields of `settings`, checked by its owner."""

    settings: type[BaseModel]


def field_paths(settings: type[BaseModel]) -> list[str]:
    """List the dotted paths of all fields, those of nested settings included: `patch_mix.temperature`."""
    paths = []
    for name, field in settings.model_fields.items():
        paths.append(name)
        for nested in _groups(field):
            paths += [f"{name}.{inner}" for inner in field_paths(nested)]
    return paths


def nested_settings(annotation: Any) -> list[type[BaseModel]]:
    """The settings classes that an annotation admits: itself, or members of a union."""
    return [option for option in members(annotation) if _is_settings(option)]


def members(annotation: Any) -> list[Any]:
    """Members of a union, but for None; else the annotation itself."""
    annotation = _bare(annotation)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inner = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        return [option for member in inner for option in members(member)]
    return [annotation]


def hint(settings: type[BaseModel], path: str) -> str:
    """Say which field of `settings` the writer of `path` may have meant, or else which there are beside it.

    Opens with a semicolon, as the end of a complaint: `; did you mean patch_mix.temperature?`.
    """
    return Place(path, _holder(settings, path)).hint(settings)


def nearest_field(settings: type[BaseModel], path: str) -> str | None:
    """The field of `settings` whose dotted path is most like `path`, or None when none is.

    A field's own name has to be alike: `patch_mix.tau` is not near to `patch_mix.beta` for what both begin with.
    """
    slips = [(*likeness, field) for field in field_paths(settings) if (likeness := _likeness(path, field))]
    return max(slips)[-1] if slips else None


@dataclass(frozen=True)
class Place:
    """A place in settings as their writer sees it; `holder`: the settings class whose field it is, if any."""

    path: str
    holder: type[BaseModel] | None
    annotation: Any = Any
    """Annotation of the field."""

    def nearest_field(self, settings: type[BaseModel]) -> str | None:
        """Find the field that the writer may have meant.

        One of which the path has common words comes first, then one beside, unless one elsewhere is far more as
        written.
        """
        ours = ".".join(COMMON_WORDS.get(part, part) for part in self.path.split("."))
        if ours != self.path and (meant := nearest_field(settings, ours)) is not None:
            return meant
        group, dot, name = self.path.rpartition(".")
        fields = self.holder.model_fields if self.holder else ()
        begun = [field for field in fields if field.startswith(f"{name}_")]
        beside = begun or difflib.get_close_matches(name, fields, n=1)
        if beside and (begun or _ratio(name, beside[0]) >= 0.8):
            return f"{group}{dot}{beside[0]}"
        nearest = nearest_field(settings, self.path)
        if beside and (nearest is None or (_likeness(self.path, nearest) or (0.0,))[0] < 0.9):
            return f"{group}{dot}{beside[0]}"
        return nearest

    def hint(self, settings: type[BaseModel]) -> str:
        """Say which field may have been meant, or else which fields there are beside it."""
        nearest = self.nearest_field(settings)
        if nearest:
            return f"; did you mean {nearest}?"
        if self.holder is None:
            return ""
        group = self.path.rpartition(".")[0]
        return f"; {group or 'there'} {'has' if group else 'are'} {', '.join(self.holder.model_fields)}"


def place_of(settings: type[BaseModel], location: Sequence[str | int]) -> Place:
    """Translate the `location` that pydantic gives an error into a place in the settings.

    Where a union stands, pydantic also names the member that it tried; such a name is no key, and is left out.
    """
    path: list[str] = []
    annotation: Any = settings
    holder = None
    for part in location:
        options = members(annotation)
        if len(options) > 1:
            member = next((option for option in options if _is_called(option, str(part))), Any)
            # Null stays one of the values of the field.
            annotation = typing.Optional[member] if _admits_null(annotation) else member  # noqa: UP045
        elif part != "[key]":
            path.append(str(part))
            holder = options[0] if _is_settings(options[0]) else None
            annotation = _inside(options[0], str(part))
    return Place(".".join(path), holder, annotation)


def _holder(settings: type[BaseModel], path: str) -> type[BaseModel] | None:
    """The settings class that has, or would have, the field at a dotted path."""
    holder: type[BaseModel] | None = settings
    for group in path.split(".")[:-1]:
        field = holder.model_fields.get(group) if holder else None
        groups = _groups(field) if field else []
        holder = groups[0] if groups else None
    return holder


def _groups(field: FieldInfo) -> list[type[BaseModel]]:
    """The settings classes whose fields lie under a field."""
    marked = [note.settings for note in field.metadata if isinstance(note, FieldsOf)]
    return marked or nested_settings(field.annotation)


def _likeness(path: str, field: str) -> tuple[float, float] | None:
    """How like a path is to a field by its last name, and as a whole; None where neither would be a slip."""
    whole = _ratio(path, field)
    named = _ratio(path.rpartition(".")[2], field.rpartition(".")[2])
    # An underscore may have been written for a dot.
    best = max(named, whole) if "." not in path and whole >= 0.8 else named
    return (best, whole) if best >= 0.6 else None


def _ratio(one: str, other: str) -> float:
    compared = difflib.SequenceMatcher(None, one, other)
    # A name of another length altogether is no slip, and may be as long as a file.
    return compared.ratio() if compared.real_quick_ratio() >= 0.1 else 0.0


def _admits_null(annotation: Any) -> bool:
    return types.NoneType in typing.get_args(_bare(annotation))


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
    # A check of ours after pydantic's own is named around the type.
    branch = branch.partition("(), ")[2] if branch.startswith("function-") else branch
    return branch.startswith(f"{origin.__name__}[") if origin else branch == getattr(option, "__name__", None)


def _inside(annotation: Any, part: str) -> Any:
    """Annotation of what lies under a field, a key or an index."""
    if _is_settings(annotation):
        field = annotation.model_fields.get(part)
        return field.annotation if field else Any
    arguments = [argument for argument in typing.get_args(annotation) if argument is not Ellipsis]
    return arguments[-1] if arguments else Any
