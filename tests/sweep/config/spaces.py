"""Search spaces in few words, over a tiny network."""

from typing import Any

from pydantic import TypeAdapter

from sweep.config.parameters import Parameter
from sweep.config.search_space import SearchSpace

TINY = {"backbone": {"variant": "tiny"}}
STAGES = {"type": "categorical", "choices": [None, 0, 1]}
KERNELS = {"type": "categorical", "choices": [3, 5]}


def space_of(parameters: dict[str, Any], fixed: dict[str, Any] | None = None) -> SearchSpace:
    read = TypeAdapter(dict[str, Parameter]).validate_python(parameters)
    return SearchSpace(read, TINY if fixed is None else fixed)
