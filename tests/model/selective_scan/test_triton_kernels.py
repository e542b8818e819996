"""The kernels compile for GPUs that are not here; that they are right is held by the other tests of this folder."""

from pathlib import Path

import pytest

from tests.model.compiled_apart import compiled


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["80", "90", "100"])
def test_every_kernel_compiles_and_loads_before_it_computes(architecture: str) -> None:
    """Ampere, Hopper and Blackwell."""
    found = compiled(Path(__file__).with_name("compile_kernels.py"), architecture)
    assert len(found) == 4 * 9 + 6
    for kernel, used in found.items():
        # Double precision, which Blackwell multiplies without tensor cores, is there to check the others.
        if (architecture, "float64" in kernel) != ("100", True):
            # The gradients want as many registers as a thread may have; the assembler may miss that by a few.
            assert used["spilled"] <= (32 if kernel.startswith("scan_gradients") else 0), kernel
        # Of 65536 registers of a multiprocessor, room for 8 programs of one warp.
        assert used["registers"] <= 255, kernel
        if "stage" in kernel and not kernel.startswith(("carry", "projection_gradients")):
            # Every row of the chunk is asked for before the first exponential, on which all arithmetic waits.
            assert used["loads_ahead"] >= used["steps"], kernel
        # Products are handed on by shuffles. Scans in which threads exchange numbers would take 20 a step, or more.
        if kernel.startswith(("carry", "scan,")) and "float64" not in kernel:
            assert used["shuffles"] <= 12 * used["steps"], kernel
