from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from data.settings import Config, ConfigError, parse


class Cat(Config):
    kind: Literal["cat"]
    lives: int


class Dog(Config):
    kind: Literal["dog"]


class Budget(Config):
    units: int | None = None
    hours: float | None = None
    until: Cat | None = None
    rest: int = 0


class Settings(Config):
    seeds: tuple[int, ...] = (1,)
    rates: tuple[float, ...] = ()
    names: tuple[str, ...] = Field(("a",), min_length=1)
    axes: tuple[Literal["time", "frequency"], ...] = ()
    objective: Literal["score"] | tuple[Literal["sensitivity"], Literal["specificity"]] = "score"
    points: tuple[dict[str, float], ...] = Field((), max_length=2)
    budget: Budget | None = None
    animal: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    epochs: int = Field(default=1, ge=1)
    rate: float = 0.1
    on: bool = True
    title: str = ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"seeds": 5}, "seeds: must be a list such as [1, 2, 3], got 5"),
        ({"rates": 0.1}, "rates: must be a list such as [0.1, 0.2], got 0.1"),
        ({"names": 5}, "names: must be a list such as [..., ...], got 5"),
        ({"names": []}, "names: must have at least 1 entry, got []"),
        ({"axes": "time"}, "axes: must be a list such as [time, frequency], got 'time'"),
        (
            {"objective": "auc"},
            "objective: must be 'score' or a list such as [sensitivity, specificity], got 'auc'",
        ),
        ({"points": 3}, "points: must be a list such as [{name: value}, ...], got 3"),
        ({"points": [3]}, "points.0: must be settings such as {name: value}, got 3"),
        ({"points": [{}, {}, {}]}, "points: must have at most 2 entries, got [{}, {}, {}]"),
        (
            {"budget": 8},
            "budget: must be settings such as {units: ..., hours: ..., until: {kind: cat, lives: ...}}, got 8",
        ),
        ({"animal": [1]}, "animal: must be settings such as {kind: cat, lives: ...}, got [1]"),
        ({"arguments": 3}, "arguments: must be settings such as {name: value}, got 3"),
        ({"epochs": 1.5}, "epochs: must be a whole number, got 1.5"),
        ({"epochs": "many"}, "epochs: must be a whole number, got 'many'"),
        ({"epochs": 0}, "epochs: must be greater than or equal to 1, got 0"),
        ({"rate": "low"}, "rate: must be a number, got 'low'"),
        ({"rate": [1]}, "rate: must be a number, got [1]"),
        ({"on": "perhaps"}, "on: must be true or false, got 'perhaps'"),
        ({"title": 3}, "title: must be text, got 3"),
    ],
)
def test_a_value_of_another_kind_is_told_what_it_must_be(content: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Settings, content, "space.yaml")
    assert str(caught.value) == f"space.yaml: {said}"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"units": "off"}, "must be a whole number or null, got 'off'; write null for none"),
        ({"units": False}, "must be a whole number or null, got false; write null for none"),
        ({"units": "none"}, "must be a whole number or null, got 'none'; write null for none"),
        ({"units": True}, "must be a whole number or null, got true"),
        ({"hours": "1:30"}, "must be a number or null, got '1:30'; write 1.5 for 1:30"),
        ({"hours": "1:30:36"}, "must be a number or null, got '1:30:36'; write 1.51 for 1:30:36"),
        ({"rest": "off"}, "must be a whole number, got 'off'"),
    ],
)
def test_what_yaml_reads_otherwise_than_it_was_meant_is_told(
    content: dict[str, object], complaint: str
) -> None:
    (field,) = content
    with pytest.raises(ConfigError) as caught:
        parse(Settings, {"budget": content}, "f")
    assert str(caught.value) == f"f: budget.{field}: {complaint}"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"seeds": None}, r"seeds: must be a list such as \[1, 2, 3\], got null"),
        ({"names": ["a", None]}, "names.1: must be text, got null"),
        ({"animal": {"kind": None}}, "animal.kind: must be one of .*, got null"),
        ({"rate": [None, True]}, r"rate: must be a number, got \[null, true\]"),
    ],
)
def test_null_is_called_null_where_it_is_refused(content: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as refused:
        parse(Settings, content, "test")
    assert "None" not in str(refused.value)
