"""What a GPU makes of respsweep, in under eight minutes: right, how fast, and what it survives; cheapest proof first.

    make gpu-check
    .venv/bin/python benchmarks/gpu_check.py --only scans --only steps
    .venv/bin/python benchmarks/gpu_check.py --carry          # what a bare machine with torch and triton lacks

Each section is guarded: one that fails says so and the next begins; one that would begin after --seconds is left out.
Ends with a line for each section, and with the bars that were missed. Without a GPU all sections run on tiny sizes, as
a dry run that says nothing of speed and holds no bars.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import bench
import gpu_graph
import gpu_machine
import gpu_scan
import gpu_shared
import gpu_step
import gpu_together
import gpu_unit
import torch
import typer
from gpu_found import Found, NotHereError
from packaging.requirements import Requirement

BARE = {
    "torch",
    "torchaudio",
    "triton",
    "numba",
    "numpy",
    "einops",
    "scipy",
    "jaxtyping",
    "safetensors",
    "scikit-learn",
}
BARE |= {
    "pyyaml",
    "click",
    "shellingham",
    "rich",
    "filelock",
    "pytest",
    "huggingface-hub",
    "psutil",
    "typing-extensions",
}
"""What machines with a GPU image of PyTorch have, with what these bring."""

SECTIONS: Mapping[str, Callable[[torch.device], Found]] = {
    "doctor": gpu_machine.doctor,
    "scans": gpu_scan.scans,
    "unit": gpu_unit.unit,
    "memory": gpu_unit.full_memory,
    "steps": gpu_step.steps,
    "graphs": gpu_graph.graphs,
    "kernels": gpu_scan.kernels,
    "suspects": gpu_scan.suspects,
    "sharing": gpu_shared.sharing,
    "together": gpu_together.together,
    "tests": gpu_machine.tests,
}
"""By name, in the order in which they run."""


@dataclass
class Result:
    """How a section ended: `state` in a word, its missed bars, and seconds."""

    state: str
    found: Found = field(default_factory=Found)
    seconds: float = 0.0


def main(
    seconds: Annotated[float, typer.Option(help="After which no section begins.")] = 420.0,
    only: Annotated[list[str] | None, typer.Option(help="A section; repeatable.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    carry: Annotated[bool, typer.Option("--carry", help="Print what to carry to a bare machine.")] = False,
) -> None:
    if carry:
        print("\n".join(to_carry()))
        return
    unknown = sorted({*(only or ())} - SECTIONS.keys())
    if unknown:
        raise typer.BadParameter(
            f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}", param_hint="--only"
        )
    where = bench.chosen_device(device)
    bench.print_machine(where)
    if where.type != "cuda":
        print("no CUDA device: a dry run on tiny sizes, which says nothing of speed")
    begun = time.perf_counter()
    results = {}
    for name in only or SECTIONS:
        if time.perf_counter() - begun > seconds:
            results[name] = Result("left out, for want of time")
            continue
        print(f"\n## {name}, after {time.perf_counter() - begun:.0f} s", flush=True)
        results[name] = run(SECTIONS[name], where)
    raise typer.Exit(summary(results, time.perf_counter() - begun, where))


def run(section: Callable[[torch.device], Found], device: torch.device) -> Result:
    """Run one section; whatever it raises is printed and told, and nothing is raised."""
    begun = time.perf_counter()
    try:
        found = section(device)
    except NotHereError as reason:
        return Result(f"not run: {reason}", seconds=time.perf_counter() - begun)
    except Exception as error:
        traceback.print_exc(file=sys.stdout)
        return Result(
            f"FAILED: {type(error).__name__}: {str(error).splitlines()[:1]}",
            seconds=time.perf_counter() - begun,
        )
    finally:
        if device.type == "cuda":
            # What one section left must not be missing to the next.
            torch.cuda.empty_cache()
    return Result("well", found, time.perf_counter() - begun)


def summary(results: Mapping[str, Result], seconds: float, device: torch.device) -> int:
    """Print a line for each section and the missed bars; returns 1 if a section failed, or a bar was missed."""
    print(f"\n## summary, after {seconds:.0f} s")
    bench.print_table(
        ("section", "how it ended", "s", "found"),
        [
            (name, result.state, f"{result.seconds:.0f}", result.found.line)
            for name, result in results.items()
        ],
    )
    failed = [
        f"{name}: {result.state}" for name, result in results.items() if result.state.startswith("FAILED")
    ]
    if device.type != "cuda":
        # Nothing was held against a bar, so that none is said to be met.
        print(
            "\n" + ("\n".join(f"failed: {one}" for one in failed) or "no section failed; bars are for a GPU")
        )
        return int(bool(failed))
    return bench.verdict([*failed, *(bar for result in results.values() for bar in result.found.missed)])


def to_carry() -> list[str]:
    """List, as `NAME==VERSION` of this environment, the packages that the sections import and a bare machine lacks."""
    import soundfile  # noqa: F401

    import sweep.machine.doctor
    import sweep.machine.gpu_sharing_processes  # noqa: F401

    owners = importlib.metadata.packages_distributions()
    tops = {name.partition(".")[0] for name in [*sys.modules]}
    used = {owner.lower().replace("_", "-") for top in tops for owner in owners.get(top, ())}
    # Typer asks for pydantic, which such machines have done without.
    there = _with_needs(BARE) | {"typer"}
    return sorted(
        f"{name}=={importlib.metadata.version(name)}" for name in used - there if name != "respsweep"
    )


def _with_needs(names: set[str]) -> set[str]:
    """Add what packages need, and what that needs, without extras."""
    found: set[str] = set()
    open_ = list(names)
    while open_:
        name = open_.pop()
        if name in found:
            continue
        found.add(name)
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            needs = map(Requirement, importlib.metadata.requires(name) or [])
            open_ += [
                need.name.lower()
                for need in needs
                if need.marker is None or need.marker.evaluate({"extra": ""})
            ]
    return found


if __name__ == "__main__":
    typer.run(main)
