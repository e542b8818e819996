"""The kernels compile for GPUs that are not here; that they are right is held by the other tests of this folder."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.model.compiled_apart import compiled


@cache
def kernels_for(architecture: str) -> dict[str, dict[str, Any]]:
    return compiled(Path(__file__).with_name("compile_kernels.py"), architecture)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["80", "90", "100"])
def test_every_kernel_compiles_and_loads_before_it_computes(architecture: str) -> None:
    """Ampere, Hopper and Blackwell."""
    found = kernels_for(architecture)
    assert len(found) == 6 * 11 + 6
    for kernel, used in found.items():
        of_stage = "stage" in kernel and "float64" not in kernel
        # Double precision, which Blackwell multiplies without tensor cores, is there to check the others.
        if (architecture, "float64" in kernel) != ("100", True):
            # With masks the gradients want as many registers as a thread may have; the assembler may miss that by a few.
            most = 128 if kernel.startswith("scan_gradients, remainders") else 0
            assert used["spilled"] <= most, kernel
        # Of 65536 registers of a multiprocessor, room for 8 programs of one warp; at a stage, for 9 of the gradients and
        # for 14 of the others.
        assert used["registers"] <= (216 if kernel.startswith("scan_gradients") and of_stage else 255), kernel
        if of_stage and kernel.startswith(("chunk_", "scan,")):
            assert used["registers"] <= 144, kernel
        if "stage" in kernel and not kernel.startswith(("carry", "projection_gradients")):
            # Every row of the chunk is asked for before the first exponential, on which all arithmetic waits.
            assert used["loads_ahead"] >= used["steps"], kernel
        # Products are handed on by shuffles. Scans in which threads exchange numbers would take 20 a step, or more.
        if kernel.startswith(("carry", "scan,")) and "float64" not in kernel:
            assert used["shuffles"] <= 12 * used["steps"], kernel


@pytest.mark.slow
def test_an_element_of_a_stage_takes_a_thread_as_many_instructions_as_documented() -> None:
    """A thread has two directions of one channel. With masks, and with addresses of its own, each takes some 30 more."""
    found = kernels_for("90")
    for start, stage_0, stage_3 in (
        ("chunk_ends", 44, 59),
        ("scan,", 48, 63),
        ("chunk_starts_gradients", 43, 59),
        ("scan_gradients", 104, 117),
    ):
        for stage, most in ((0, stage_0), (3, stage_3)):
            kernels = [
                used
                for kernel, used in found.items()
                if kernel.startswith(start) and f"stage {stage}, torch.b" in kernel
            ]
            assert len(kernels) == 2
            for used in kernels:
                assert used["steps"] == 16
                assert used["instructions"] <= 2 * 16 * most, (start, stage)
