"""What a training step of DASS costs: ours, its floors, and the same step as one would first write it.

    .venv/bin/python benchmarks/step.py
    .venv/bin/python benchmarks/step.py --repeats 2 --no-memory --plain-frames 32

On CPU: DASS-small, fp32, batch 4. On CUDA: DASS-medium, batch 16, bf16 autocast, beside the published way (fp16
autocast, mamba-ssm's kernel where it is installed). Inputs have 1024 frames of 128 mel bins. Rows of a table are timed
in turn; first it is seen to that both networks compute the same losses and gradients. Exits with 1 when a bar is missed.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import bench
import torch
import typer
from step_check import check_same_maths
from step_flops import count_flops
from step_setups import MELS, Ours, Plain, Setup, published_scan

CLEAN, STAND_IN = "forward + backward", "the same, an elementwise stand-in for the scan"
REFERENCE, PAPER = "dual-axis step, form reference", "dual-axis step, form paper (mixed passes detached)"
INDEXED, UNBOUND = "plain step, time indexed", "plain step, time unbound"
PUBLISHED, FLOOR = "plain step, the published way", "floor of a forward pass"

MOST_OF_STAND_IN, MOST_OF_CLEAN, MOST_BYTES = 1.4, 3.2, 4 * 2**30
LEAST_OF_PUBLISHED = 3.0
FULL_FRAMES = 1024
PASSES = {CLEAN: 3, STAND_IN: 3, REFERENCE: 9, PAPER: 5, PUBLISHED: 9}
"""Forward passes' worth of work; a backward counts as two."""


def main(
    repeats: Annotated[int, typer.Option(help="Rounds, of which the median counts.")] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    frames: Annotated[int, typer.Option(help="Of an input; the bars are for 1024.")] = FULL_FRAMES,
    plain_frames: Annotated[
        int, typer.Option(help="On CPU: at which both plain steps are timed; 0: not at all.")
    ] = 128,
    memory: Annotated[bool, typer.Option(help="Peak memory, each in a process of its own.")] = True,
) -> None:
    where = bench.chosen_device(device)
    on_cuda = where.type == "cuda"
    bench.print_machine(where)
    size = ("medium", 16) if on_cuda else ("small", 4)
    ours = Setup(*size, frames, where.type, torch.bfloat16 if on_cuda else None)
    published = None
    if on_cuda:
        scan, why = published_scan()
        print(f"  the published way scans with {why}")
        published = ours._replace(autocast=torch.float16, scan=scan)
    print(f"  beside the plain definition: {check_same_maths(where.type)}")

    flops = {variant: count_flops(variant) for variant in ("small", "medium")}
    counted = ", ".join(f"{variant} {count / 1e9:.1f}" for variant, count in flops.items())
    print(f"  GFLOP of a forward pass of one sample, counted: {counted}")

    setups = {name: ours for name in PASSES if name != PUBLISHED}
    if published is not None:
        setups[PUBLISHED] = published
    times = time_rows(setups, flops[ours.variant] * frames / FULL_FRAMES * ours.batch, repeats)
    peaks = {
        name: bench.peak_memory(prepared, name, setup, runs=2) for name, setup in setups.items() if memory
    }
    print_rows(ours, times, peaks)
    if plain_frames and not on_cuda:
        print_plain(ours._replace(frames=plain_frames), repeats, memory)
    if frames != FULL_FRAMES:
        print(f"\nno bars: they are for {FULL_FRAMES} frames")
        return
    raise typer.Exit(bench.verdict(missed(times, peaks, on_cuda)))


def prepared(name: str, setup: Setup) -> bench.Action:
    """Prepare what a row times, ready to run."""
    bench.chosen_device(setup.device)
    if name in (INDEXED, UNBOUND, PUBLISHED):
        return Plain(setup).step
    return _action(name, Ours(setup))


def _action(name: str, ours: Ours) -> bench.Action:
    return {
        CLEAN: ours.forward_backward,
        STAND_IN: ours.forward_backward_of_stand_in,
        REFERENCE: partial(ours.step, "reference"),
        PAPER: partial(ours.step, "paper"),
    }[name]


def time_rows(setups: dict[str, Setup], work: float, repeats: int) -> dict[str, bench.Timing]:
    """Rows timed in turn, those of ours with one network; and under FLOOR the seconds that the `work` of a forward
    pass (FLOPs) would take at the rate of a matrix product, which runs in the same rounds."""
    first = next(iter(setups.values()))
    own, device = Ours(first), torch.device(first.device)
    product, flops = bench.matrix_product(device, first.autocast or torch.float32)
    actions = {
        name: prepared(name, setup) if name == PUBLISHED else _action(name, own)
        for name, setup in setups.items()
    }
    times = bench.time_in_turn({**actions, FLOOR: product}, repeats, device)
    return {**times, FLOOR: bench.Timing(tuple(work / flops * spent for spent in times[FLOOR].seconds))}


def print_rows(setup: Setup, times: dict[str, bench.Timing], peaks: dict[str, bench.Peak]) -> None:
    """Print the table of the step."""
    rows = []
    for name, passes in PASSES.items():
        if name not in times:
            continue
        row = [name, times[name].cell(), f"{bench.ratio(times[name], times[CLEAN]):.2f}"]
        row.append(f"{100 * passes * bench.ratio(times[FLOOR], times[name]):.0f}")
        rows.append([*row, *([bench.mib(peaks[name].total)] if peaks else [])])
    for name in (CLEAN, REFERENCE):
        row = [f"floor of {name}: FLOPs over the rate of a matrix product"]
        row.append(bench.number(PASSES[name] * times[FLOOR].median))
        row += [f"{PASSES[name] * bench.ratio(times[FLOOR], times[CLEAN]):.2f}", "100"]
        rows.append([*row, *([""] if peaks else [])])
    precision = "fp32" if setup.autocast is None else str(setup.autocast).removeprefix("torch.")
    what = f"DASS-{setup.variant}, {precision}, batch {setup.batch}, input ({setup.frames}, {MELS})"
    head = [what, "s", f"x {CLEAN}", "FLOP utilisation, %"]
    bench.print_table([*head, *(["peak memory, MiB"] if peaks else [])], rows)
    print(
        f"\n{CLEAN} takes {bench.ratio(times[CLEAN], times[STAND_IN]):.2f} times as long as with the stand-in; "
        f"the step of form reference {bench.ratio(times[REFERENCE], times[CLEAN]):.2f}, "
        f"of form paper {bench.ratio(times[PAPER], times[CLEAN]):.2f} times {CLEAN}"
    )
    if PUBLISHED in times:
        print(f"the published way takes {bench.ratio(times[PUBLISHED], times[REFERENCE]):.2f} times our step")


def print_plain(setup: Setup, repeats: int, memory: bool) -> None:
    """Our step beside the plain one with either of its loops. Not at 1024 frames, where a process that ran the linear
    one held 15 GB."""
    setups = {
        REFERENCE: setup,
        UNBOUND: setup._replace(scan="unbound"),
        INDEXED: setup._replace(scan="indexed"),
    }
    actions = {name: prepared(name, at) for name, at in setups.items()}
    times = bench.time_in_turn(actions, min(repeats, 3), torch.device(setup.device))
    rows = []
    for name, took in times.items():
        row = [name, took.cell(), f"{bench.ratio(took, times[REFERENCE]):.1f}"]
        if memory:
            row.append(bench.mib(bench.peak_memory(prepared, name, setups[name]).total))
        rows.append(row)
    head = [f"the same, input ({setup.frames}, {MELS})", "s", f"x {REFERENCE}"]
    bench.print_table([*head, *(["peak memory, MiB"] if memory else [])], rows)


def missed(times: dict[str, bench.Timing], peaks: dict[str, bench.Peak], on_cuda: bool) -> list[str]:
    """Say in words which bars were not met."""
    if on_cuda:
        faster = bench.ratio(times[PUBLISHED], times[REFERENCE])
        return [] if faster >= LEAST_OF_PUBLISHED else [
            f"{faster:.2f} times as fast as the published way, below {LEAST_OF_PUBLISHED}"
        ]  # fmt: skip
    of_stand_in = bench.ratio(times[CLEAN], times[STAND_IN])
    reference, paper = (bench.ratio(times[name], times[CLEAN]) for name in (REFERENCE, PAPER))
    found = []
    if of_stand_in > MOST_OF_STAND_IN:
        found.append(f"{CLEAN} is {of_stand_in:.2f} times the stand-in, above {MOST_OF_STAND_IN}")
    if reference > MOST_OF_CLEAN:
        found.append(f"{REFERENCE} is {reference:.2f} times {CLEAN}, above {MOST_OF_CLEAN}")
    if paper > reference:
        found.append(
            f"{PAPER} takes {paper:.2f}, not less than {reference:.2f} of the form that detaches nothing"
        )
    if peaks and peaks[CLEAN].total > MOST_BYTES:
        found.append(f"{CLEAN} takes {bench.mib(peaks[CLEAN].total)} MiB, above {bench.mib(MOST_BYTES)}")
    return found


if __name__ == "__main__":
    typer.run(main)
