from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from data.settings import Config, ConfigError, parse


class Inner(Config):
    width: int = 1


class Settings(Config):
    count: int = 1
    rate: Annotated[float, Field(gt=0)] = 1.0
    stage: int | None = None
    seeds: tuple[int, ...] = ()
    pair: tuple[int, float] = (1, 1.0)
    one_or_more: int | tuple[int, ...] = 1
    patience: Literal["auto"] | Annotated[float, Field(gt=0)] | None = None
    shares: dict[str, float] = Field(default_factory=dict)
    inner: Inner = Inner()
    either: float | int | str | bool | None = None
    flag: bool = False
    anything: Any = None

    @model_validator(mode="after")
    def _has_a_validator(self) -> "Settings":
        return self


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({"count": True}, "count"),
        ({"rate": True}, "rate"),
        ({"stage": False}, "stage"),
        ({"seeds": [1, True]}, "seeds.1"),
        ({"pair": [1, True]}, "pair.1"),
        ({"one_or_more": True}, "one_or_more"),
        ({"one_or_more": [True]}, "one_or_more.0"),
        ({"patience": True}, "patience"),
        ({"shares": {"a": True}}, "shares.a"),
        ({"inner": {"width": True}}, "inner.width"),
    ],
)
def test_a_truth_value_is_no_number(content: dict[str, object], where: str) -> None:
    with pytest.raises(ConfigError, match=rf"f: {where}: must be .*, got (true|false|\[)"):
        parse(Settings, content, "f")
    with pytest.raises(ValidationError):
        Settings.model_validate(content)


@pytest.mark.parametrize("value", [True, False, 1, 0, 1.5, "x", None])
def test_a_value_that_may_be_either_stays_what_it_is(value: object) -> None:
    for field in ("either", "anything"):
        read = getattr(Settings.model_validate({field: value}), field)
        assert (read, type(read)) == (value, type(value))


def test_numbers_and_truth_values_are_read_where_they_are_meant() -> None:
    content = {
        "count": 2,
        "rate": 1,
        "stage": 0,
        "seeds": [1],
        "patience": 3,
        "flag": True,
        "shares": {"a": 1},
    }
    read = Settings.model_validate(content)
    assert (read.count, read.rate, read.stage, read.seeds, read.patience) == (2, 1.0, 0, (1,), 3.0)
    assert read.flag is True
