"""Compile the Triton kernels for GPUs that need not be here, and print as JSON what the assembler says of each.

A process of its own: where tests run the kernels in Triton's interpreter, nothing can be compiled.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from model.selective_scan import triton_cuda
from model.selective_scan import triton_kernels as kernels

PTXAS = Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"
HALF = ("u", "B", "C")


def compile_kernel(
    kernel: Any, layout: Any, compute_capability: int, dtype: str, history: bool
) -> dict[str, int]:
    """Registers of a thread, and bytes that it spills, of one kernel on one architecture."""
    number = "fp64" if dtype == "fp64" else "fp32"
    names: list[str] = kernel.arg_names
    constants: dict[str, Any] = {**layout.constants, "HISTORY": history}
    warps = constants.pop("num_warps")
    constants = {name: value for name, value in constants.items() if name in names}
    signature = {}
    for name in names:
        if name in constants:
            signature[name] = "constexpr"
        elif "_" in name or name in ("length", "width", "channels", "states"):
            signature[name] = "i32"
        else:
            signature[name] = f"*{dtype if name in HALF else number}"
    source = ASTSource(kernel, signature, {(names.index(name),): value for name, value in constants.items()})
    compiled: Any = triton.compile(
        source, target=GPUTarget("cuda", compute_capability, 32), options={"num_warps": warps}
    )
    architecture = re.findall(r"\.target (\w+)", compiled.asm["ptx"])[0]
    with tempfile.TemporaryDirectory() as folder:
        ptx = Path(folder) / "kernel.ptx"
        ptx.write_text(compiled.asm["ptx"])
        command = [PTXAS, "-v", f"-arch={architecture}", ptx, "-o", ptx.with_suffix(".cubin")]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return {
        "registers": int(re.findall(r"Used (\d+) registers", said)[0]),
        "spilled": sum(map(int, re.findall(r"(\d+) bytes spill", said))),
    }


def layouts() -> Iterator[tuple[str, str, Any]]:
    """Stage 0 of DASS in three number formats, and sequences of 16 states."""
    for dtype, number in (("bf16", torch.float32), ("fp32", torch.float32), ("fp64", torch.float64)):
        u = torch.empty(1, 32, 256, 96, dtype=number)
        parameters = (torch.empty(4, 96, 6), torch.empty(4, 96), torch.empty(4 * 96, 1), torch.empty(4 * 96))
        projected = torch.empty(1, 32, 256, 4 * 8, dtype=number)
        yield "map", dtype, triton_cuda._of_map(u, projected, *parameters)[1]
    u, shared = torch.empty(1, 512, 96), torch.empty(1, 512, 1, 16)
    sequences = triton_cuda._Sequences(u, u, torch.empty(96, 16), shared, shared, u[0, 0], u[0, 0])
    yield "16 states", "fp32", triton_cuda._of_rows(sequences, softplus=False)


def main() -> None:
    found = {}
    for what, dtype, layout in layouts():
        for name in ("segment_ends", "scan", "scan history", "segment_starts_gradients", "scan_gradients"):
            for capability in (80, 90):
                kernel = getattr(kernels, name.split()[0])
                used = compile_kernel(kernel, layout, capability, dtype, history=name.endswith("history"))
                found[f"{name}, {what}, {dtype}, sm_{capability}"] = used
    print(json.dumps(found))


if __name__ == "__main__":
    main()
