"""Compile the Triton kernels for GPUs that need not be here, and print as JSON what the assembler makes of each.

    python tests/model/selective_scan/compile_kernels.py 90 [--channels 64 --steps 8]

A process of its own: where tests run the kernels in Triton's interpreter, nothing can be compiled. Programs of one warp
take `--channels`, 32 a channel for each thread, through chunks of at most `--steps`.
"""

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver

from model.selective_scan import triton_cuda, triton_gradients, triton_kernels, triton_layout

TOOLS = Path(triton.__file__).parent / "backends/nvidia/bin"
KERNELS = (
    (triton_kernels, ("chunk_ends", "carry", "scan")),
    (triton_gradients, ("chunk_starts_gradients", "scan_gradients", "projection_gradients")),
)
"""Kernels of the scan, by the module that launches find them in."""


def launches(
    function: Any,
    tensors: list[torch.Tensor],
    kernels: Sequence[tuple[Any, Sequence[str]]] = KERNELS,
    **settings: Any,
) -> list[tuple[Any, dict[str, Any], int]]:
    """Run a function and its gradient on tensors without numbers; returns kernels with arguments of their launches."""
    found = []

    class Recorder:
        def __init__(self, kernel: Any) -> None:
            self.kernel = kernel

        def __getitem__(self, grid: Any) -> Any:
            def record(*given: Any, num_warps: int, **named: Any) -> None:
                names = self.kernel.arg_names
                found.append((self.kernel, dict(zip(names, given, strict=False)) | named, num_warps))

            return record

    with ExitStack() as patched:
        for module, names in kernels:
            recording: dict[str, Any] = {name: Recorder(getattr(module, name)) for name in names}
            patched.enter_context(patch.multiple(module, **recording))
        leaves = [tensor.requires_grad_() for tensor in tensors]
        function(*leaves, **settings).sum().backward()
    return found


class StandInDriver:
    """What Triton asks of the driver of a GPU before it compiles a kernel for it; nothing can be launched."""

    def __init__(self, capability: int) -> None:
        self.capability = capability

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self.capability, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return device


def compile_launch(kernel: Any, arguments: dict[str, Any], warps: int, capability: int) -> dict[str, int]:
    """Registers of a thread, bytes that it spills, and what its instructions say, of a kernel on an architecture.

    The arguments are bound as they are for a launch.
    """
    stand_in: Any = StandInDriver(capability)
    driver.set_active(stand_in)
    compiled: Any = kernel.warmup(grid=(1,), num_warps=warps, **arguments)
    architecture = re.findall(r"\.target (\w+)", compiled.asm["ptx"])[0]
    with tempfile.TemporaryDirectory() as folder:
        ptx, cubin = Path(folder) / "kernel.ptx", Path(folder) / "kernel.cubin"
        ptx.write_text(compiled.asm["ptx"])
        assembler = "ptxas-blackwell" if capability >= 100 else "ptxas"
        command = [TOOLS / assembler, "-v", f"-arch={architecture}", ptx, "-o", cubin]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        command = [TOOLS / "nvdisasm", "-c", cubin]
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    instructions = re.findall(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+ )?([A-Z][\w.]*)", listing, re.M)
    begins = next(
        (i for i, name in enumerate(instructions) if name.startswith(("MUFU.EX2", "DFMA", "DMMA", "HMMA"))),
        0,
    )
    return {
        "registers": int(re.findall(r"Used (\d+) registers", said)[0]),
        "spilled": sum(map(int, re.findall(r"(\d+) bytes spill", said))),
        "loads_ahead": sum(name.startswith("LDG") for name in instructions[:begins]),
        "wide": sum(name.startswith(("LDG", "STG")) and name.endswith(".128") for name in instructions),
        "to_nearest": compiled.asm["ptx"].count("cvt.rn.bf16"),
        "shuffles": sum(name.startswith("SHFL") for name in instructions),
        "instructions": len(instructions),
        "steps": arguments.get("STEPS", 0),
    }


def scans() -> Iterator[tuple[str, list[tuple[Any, dict[str, Any], int]]]]:
    """Launches of the stages of DASS, of a map cut with remainders, of stage 0 in double precision, and of sequences
    with 16 states."""
    whole = torch.float32
    for stage, height, width, channels, rank, dtype in (
        ("stage 0", 32, 256, 96, 6, torch.bfloat16),
        ("stage 1", 16, 128, 192, 12, torch.bfloat16),
        ("stage 2", 8, 64, 384, 24, torch.bfloat16),
        ("stage 3", 4, 32, 768, 48, torch.bfloat16),
        ("remainders", 32, 255, 100, 7, torch.bfloat16),
        ("stage 0", 32, 256, 96, 6, torch.float64),
    ):
        of_parameters = dtype if dtype == torch.float64 else whole
        parameters = ((4, channels, rank), (4, channels), (4 * channels, 1), (4 * channels,))
        tensors = [
            torch.empty(1, height, width, channels, dtype=dtype),
            torch.empty(1, height, width, 4 * (rank + 2), dtype=dtype),
            *(torch.empty(shape, dtype=of_parameters) for shape in parameters),
        ]
        yield f"{stage}, {dtype}", launches(triton_cuda._CrossSelectiveScan.apply, tensors)
    u, shared = torch.empty(1, 512, 96), torch.empty(1, 512, 1, 16)
    tensors = [u, u.clone(), torch.empty(96, 16), shared, shared.clone(), torch.empty(96), torch.empty(96)]
    yield "16 states", launches(lambda *given: triton_cuda._SelectiveScan.apply(True, *given), tensors)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Compile the Triton kernels of the scan for an architecture."
    )
    parser.add_argument("architecture", type=int)
    parser.add_argument("--channels", type=int, default=triton_layout.WARP)
    parser.add_argument("--steps", type=int, default=triton_layout.STEPS)
    given = parser.parse_args()
    found = {}
    with patch.multiple(triton_layout, WARP=given.channels, STEPS=given.steps):
        for what, launched in scans():
            for number, (kernel, arguments, warps) in enumerate(launched):
                used = compile_launch(kernel, arguments, warps, given.architecture)
                found[f"{kernel.fn.__name__}, {what}, launch {number}"] = used
    print(json.dumps(found))


if __name__ == "__main__":
    main()
