"""How one recipe field varies: over a range or a list, always or only under a condition."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from data.settings import Config


def all_tuples(value: Any) -> Any:
    """Turn a list, and all lists in it, into tuples, so that equal values are equal wherever they were read."""
    return tuple(map(all_tuples, value)) if isinstance(value, list | tuple) else value


Value = float | int | str | bool | None | Annotated[tuple[Any, ...], AfterValidator(all_tuples)]

LONGEST_GRID = 10_000
"""Values of one field, and points of a whole grid, that may be meant one by one."""
MOST_STEPS = 1_000_000
"""Steps of a range; some of Optuna's samplers write them all out."""
MOST_CHOICES = 1_000


class _Parameter(Config):
    when: str | dict[str, tuple[Value, ...]] | None = Field(
        default=None,
        description="vary this field only when another searched field is not null (its name), or has one of "
        "some values ({field: [values]})",
    )

    @property
    def conditions(self) -> dict[str, tuple[Value, ...] | None]:
        """Values that other searched fields must have, by field; None means any value but null."""
        if self.when is None:
            return {}
        return {self.when: None} if isinstance(self.when, str) else dict(self.when)


class FloatParameter(_Parameter):
    """A real number in [low, high]; uniform in its logarithm with `log`, on a grid from `low` with `step`."""

    type: Literal["float"] = Field(description="a real number")
    low: float = Field(description="least value")
    high: float = Field(description="greatest value, itself possible")
    log: bool = Field(default=False, description="uniform in the logarithm; low above 0, no step")
    step: float | None = Field(
        default=None, gt=0, description="only every step from low on, up to high; null: any number between"
    )

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _check_range(self.low, self.high, self.log)
        if self.step is not None:
            if self.log:
                raise ValueError("step and log exclude each other")
            _check_steps(self.low, self.high, self.step)
        return self

    def probes(self) -> list[Value]:
        """Values that must make a recipe for the parameter to be usable."""
        return [self.low, self.high]

    def admits(self, value: Any) -> bool:
        """Whether the search may come to `value`."""
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not self.low <= value <= self.high
        ):
            return False
        return self.step is None or (_exact(value) - _exact(self.low)) % _exact(self.step) == 0

    def grid(self) -> list[Value] | None:
        """List all values; None for a continuous range, and where too many to be meant one by one."""
        if self.step is None:
            return None
        steps = int((_exact(self.high) - _exact(self.low)) / _exact(self.step))
        return None if steps >= LONGEST_GRID else [self._at(index) for index in range(steps + 1)]

    def nearest(self, value: float) -> float:
        """Find the grid value that is nearest to a value which rounding moved off the grid."""
        return value if self.step is None else self._at(round((value - self.low) / self.step))

    def _at(self, index: int) -> float:
        return float(_exact(self.low) + index * _exact(self.step or 0))


class IntParameter(_Parameter):
    """An integer in [low, high], every `step`-th from `low`; uniform in its logarithm with `log`."""

    type: Literal["int"] = Field(description="a whole number")
    low: int = Field(description="least value")
    high: int = Field(description="greatest value, itself possible")
    log: bool = Field(default=False, description="uniform in the logarithm; low above 0, no step")
    step: int = Field(default=1, ge=1, description="every such number from low on, up to high")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _check_range(self.low, self.high, self.log)
        if self.log and self.step != 1:
            raise ValueError("step and log exclude each other")
        _check_steps(self.low, self.high, self.step)
        return self

    def probes(self) -> list[Value]:
        """Values that must make a recipe for the parameter to be usable."""
        return (
            [*range(self.low, self.high + 1, self.step)]
            if self.high - self.low <= 1000
            else [self.low, self.high]
        )

    def admits(self, value: Any) -> bool:
        """Whether the search may come to `value`."""
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return self.low <= value <= self.high and (value - self.low) % self.step == 0

    def grid(self) -> list[Value] | None:
        """List all values; None where too many to be meant one by one: a logarithmic or a very long range."""
        values = range(self.low, self.high + 1, self.step)
        return None if self.log or len(values) > LONGEST_GRID else [*values]


class CategoricalParameter(_Parameter):
    """One of some values, in no order. null stands for `none of it` where the field admits it."""

    type: Literal["categorical"] = Field(description="one of a list")
    choices: tuple[Value, ...] = Field(
        min_length=1,
        max_length=MOST_CHOICES,
        description="values without order; null among them where the field may be null",
    )

    @field_validator("choices")
    @classmethod
    def _differ(cls, choices: tuple[Value, ...]) -> tuple[Value, ...]:
        repeated = [choice for index, choice in enumerate(choices) if includes(choices[:index], choice)]
        if repeated:
            raise ValueError(f"the same choice twice: {repeated[0]!r}")
        return choices

    def probes(self) -> list[Value]:
        """Values that must make a recipe for the parameter to be usable."""
        return list(self.choices)

    def admits(self, value: Any) -> bool:
        """Whether the search may come to `value`."""
        return includes(self.choices, value)

    def grid(self) -> list[Value] | None:
        """List all values."""
        return list(self.choices)


AnyParameter = FloatParameter | IntParameter | CategoricalParameter
Parameter = Annotated[AnyParameter, Field(discriminator="type")]


def includes(values: Sequence[Value], value: Any) -> bool:
    """Whether `value` is one of `values`; true and false are no numbers, and so not 1 and 0."""
    return any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in values)


def written(value: Value) -> str:
    """Write a value as a study file does: null for none, and lists, of whatever depth, in brackets."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(written, value))}]"
    return "null" if value is None else repr(value)


def _check_range(low: float, high: float, log: bool) -> None:
    if low > high:
        raise ValueError(f"low {low} is above high {high}")
    if log and low <= 0:
        raise ValueError(f"a log range must start above 0, got low {low}")


def _check_steps(low: float, high: float, step: float) -> None:
    span, exact_step = _exact(high) - _exact(low), _exact(step)
    if span / exact_step > MOST_STEPS:
        raise ValueError(
            f"step {step} makes more than {MOST_STEPS:,} steps from low {low} to high {high}; take a longer one, or a "
            "range without steps"
        )
    if span % exact_step:
        last = type(high)(_exact(high) - span % exact_step)
        raise ValueError(f"high {high} is not low {low} plus whole steps of {step}; use {last}")


def _exact(value: float) -> Fraction:
    """Turn a number into the fraction that its writer wrote, so that 0.1 + 2 * 0.1 is 0.3."""
    return Fraction(str(value))
