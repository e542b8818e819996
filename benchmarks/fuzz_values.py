"""Values that hypothesis makes up: anything that YAML or JSON can hold, and what a search space nearly is."""

from __future__ import annotations

import functools
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from data.fields import field_paths
from model.training.recipe import Recipe

BLOCK = 100
"""Values that are made up together."""

numbers = st.one_of(
    st.integers(-3, 70),
    st.integers(),
    st.floats(allow_nan=True),
    st.sampled_from([1e-9, 0.02, 0.1, 0.5, 2.0, 1e9, 10**12]),
)
leaves = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=12))
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
fields = st.sampled_from(field_paths(Recipe))
choices = st.lists(st.one_of(leaves, st.lists(leaves, max_size=3)), min_size=1, max_size=5)
conditions = st.one_of(fields, st.dictionaries(fields, choices, min_size=1, max_size=2))
parameters = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["float", "int"]), "low": numbers, "high": numbers},
        optional={"log": st.booleans(), "step": numbers, "when": conditions},
    ),
    st.fixed_dictionaries(
        {"type": st.just("categorical"), "choices": choices}, optional={"when": conditions}
    ),
)
searches = st.dictionaries(fields, parameters, min_size=1, max_size=4)


@functools.lru_cache(maxsize=8)
def made_up(kind: str, number: int) -> list[Any]:
    """Make up a block of values of a kind (`anything`, `searches`); the same for a number whenever asked."""
    found: list[Any] = []

    @seed(number)
    @settings(
        max_examples=BLOCK,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given({"anything": anything, "searches": searches}[kind])
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found
