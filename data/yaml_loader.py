"""YAML from anywhere: plain values alone, no key twice, and nothing that grows far beyond its text.

`CoreLoader` reads YAML 1.2's core schema, in which `off`, `no` and `1:30` are text. `OlderLoader` reads YAML 1.1, for
files that other programs read so. What either refuses is a `yaml.YAMLError`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, ClassVar, cast

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError, SafeConstructor

LARGEST = 200_000
"""Characters that a document may have, also with what its aliases (`*name`) stand for written out."""
DEEPEST = 50
"""How deep lists and mappings may lie in each other."""
_TAG = "tag:yaml.org,2002:"
_LONGEST_NUMBER = 10**1000
_OLDER = ("null", "bool", "int", "float", "str", "seq", "map", "timestamp")


class OlderLoader(yaml.SafeLoader):
    """YAML 1.1 without its surprises: a key twice, aliases that explode and tags that do not fit are refused."""

    yaml_constructors: ClassVar = {
        tag: construct
        for tag, construct in SafeConstructor.yaml_constructors.items()
        if tag is None or tag.removeprefix(_TAG) in _OLDER
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ComposerError(
                None,
                None,
                f"more than {DEEPEST} lists and mappings in each other",
                self.peek_event().start_mark,
            )
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_document(self) -> yaml.Node | None:
        node = super().compose_document()
        if node is not None:
            _check_written_out(node)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, str):
                value.encode()  # a lone half of a character, `\\ud800`, can be written to no file
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
            kind = node.tag.removeprefix(_TAG)
            raise ConstructorError(
                None, None, f"{_shown(node)} is no value of the type {kind}", node.start_mark
            ) from None
        if isinstance(value, int) and abs(value) >= _LONGEST_NUMBER:
            raise ConstructorError(
                None, None, f"{_shown(node)} is a whole number of more than 1,000 digits", node.start_mark
            )
        return value

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Any, Any]:
        # The base class has the words for what is no mapping, and for a key that cannot be one.
        seen = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key_node.tag == f"{_TAG}merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue
            if key in seen:
                raise ConstructorError(None, None, f"the key {key!r} is written twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(cast(yaml.MappingNode, node), deep)


class CoreLoader(OlderLoader):
    """YAML 1.2's core schema, with merge keys (`<<`) of YAML 1.1 beside it."""

    yaml_constructors: ClassVar = {
        tag: construct
        for tag, construct in OlderLoader.yaml_constructors.items()
        if tag != f"{_TAG}timestamp"
    }
    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}  # pyright: ignore[reportIncompatibleVariableOverride]

    def construct_yaml_bool(self, node: yaml.Node) -> bool:
        return _matched(self, node, "bool").lower() == "true"

    def construct_yaml_int(self, node: yaml.Node) -> int:
        text = _matched(self, node, "int")
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))

    def construct_yaml_float(self, node: yaml.Node) -> float:
        text = _matched(self, node, "float").lower()
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_WRITTEN = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    "merge": (r"<<", ["<"]),
}
_FORMS = {kind: re.compile(rf"(?:{form})\Z") for kind, (form, _) in _WRITTEN.items()}
for _kind, (_, _first) in _WRITTEN.items():
    CoreLoader.add_implicit_resolver(f"{_TAG}{_kind}", _FORMS[_kind], _first)
for _kind in ("bool", "int", "float"):
    CoreLoader.add_constructor(f"{_TAG}{_kind}", getattr(CoreLoader, f"construct_yaml_{_kind}"))


def _matched(loader: CoreLoader, node: yaml.Node, kind: str) -> str:
    """The text of a scalar that is written as its kind wants. Raises ValueError for another."""
    text = loader.construct_scalar(cast(yaml.ScalarNode, node))
    # A whole number is a float as well.
    if not _FORMS[kind].match(text):
        raise ValueError(text)
    return text


def _check_written_out(root: yaml.Node) -> None:
    """Raise ComposerError when aliases stand for more than `LARGEST` characters, or a node holds itself."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in sizes:
            return sizes[id(node)]
        if id(node) in open_nodes:
            raise ComposerError(None, None, "a value that holds itself", node.start_mark)
        open_nodes.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            total = 1 + len(node.value)
        elif isinstance(node, yaml.MappingNode):
            total = 1 + sum(size(key) + size(value) for key, value in node.value)
        else:
            total = 1 + sum(map(size, node.value))
        open_nodes.remove(id(node))
        if total > LARGEST:
            raise ComposerError(
                None, None, f"aliases that stand for more than {LARGEST:,} characters", node.start_mark
            )
        sizes[id(node)] = total
        return total

    size(root)


def _shown(node: yaml.Node) -> str:
    text = repr(node.value) if isinstance(node, yaml.ScalarNode) else "a list or mapping"
    return text if len(text) <= 60 else text[:57] + "..."
