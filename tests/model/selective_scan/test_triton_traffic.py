"""The count of bytes against the tensors that launches are given."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from model.selective_scan import triton_cuda
from model.selective_scan.triton_traffic import MapSize, bytes_an_element
from tests.model.selective_scan.compile_kernels import launches
from tests.model.selective_scan.test_cross_selective_scan import map_inputs

PARAMETERS = ("weight", "bias", "A", "D", "dweight")
"""Next to nothing beside maps."""
OF_DIRECTIONS = ("ends", "spans", "carried", "arrivals", "ddelta", "dB", "dC", "dbias", "dA", "low")
"""Tensors of which a line has its two directions' half."""


def moved(kernel: Any, arguments: dict[str, Any]) -> Iterator[float]:
    """Bytes of every tensor of a launch that is read or written."""
    line = arguments.get("LINE")
    for name, value in arguments.items():
        if not isinstance(value, Tensor) or name in PARAMETERS or name in ("delta", "B", "C"):
            # Of a map delta stands for nothing, and B and C lie in what `low` counts.
            continue
        if name == "partial":
            # What rows wrote, and a sum that is written and read between two directions.
            yield 3 * value.nbytes if line == 1 else 0
        elif name == "y":
            yield (2 if line == 1 else 1) * value.nbytes
        elif name == "dD":
            yield value.nbytes if line == 0 else 0
        elif kernel.fn.__name__ == "carry":
            yield (2 if name == "ends" else 1) * value.nbytes
        elif name in OF_DIRECTIONS and line is not None:
            yield value.nbytes / 2
        else:
            yield value.nbytes


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize(("channels", "rank", "states"), [(96, 6, 1), (192, 12, 1), (64, 3, 2)])
def test_the_count_is_that_of_the_tensors(channels: int, rank: int, states: int, half: bool) -> None:
    inputs = map_inputs(2, 16, 32, channels, rank, states, torch.float32)
    if half:
        inputs[:2] = [tensor.detach().bfloat16() for tensor in inputs[:2]]
    found: defaultdict[str, float] = defaultdict(float)
    elements = 4 * inputs[0].numel()
    for kernel, arguments, _ in launches(triton_cuda._CrossSelectiveScan.apply, inputs):
        name = kernel.fn.__name__
        found[name] += sum(moved(kernel, arguments)) / elements
    size = triton_cuda.map_size(*inputs)
    expected = bytes_an_element(size)
    low = inputs[1].nbytes * 2 * states / (rank + 2 * states) / elements
    found["projection_gradients"] -= low  # of each cell's inputs B and C are left
    assert {name: round(value, 6) for name, value in found.items()} == {
        name: round(expected[name], 6) for name in found
    }


def test_at_stage_0_a_training_step_moves_less_than_30_bytes_an_element() -> None:
    of_each = bytes_an_element(MapSize(96, 6, 1, steps=16, blocks=3, wide_blocks=1))
    forward = of_each["chunk_ends"] + of_each["carry"] / 2 + of_each["scan"]
    assert round(forward, 1) == 6.8
    assert round(sum(of_each.values()), 1) == 29.2


def test_waves_are_full_and_programs_as_long_as_that_allows() -> None:
    # 264 programs at once on 132 multiprocessors: one wave of turns, or two, and none of 1.1.
    assert triton_cuda.turns_a_program(264, 1, 132) == 1
    assert triton_cuda.turns_a_program(2 * 264, 1, 132) == 2
    assert triton_cuda.turns_a_program(64 * 264, 4, 132) == 64
    # Programs of 4 turns would take 5 waves of 4, in the last of which 104 of 264 run; those of 2 take 9 of 2.
    assert triton_cuda.turns_a_program(16, 290, 132) == 2
    assert triton_cuda.turns_a_program(1, 1, 1) == 1
