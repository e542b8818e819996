"""What a selective scan costs: every engine that works here, beside other implementations and the memory's own speed.

    .venv/bin/python benchmarks/scan.py
    .venv/bin/python benchmarks/scan.py --repeats 3 --no-memory --no-growth

Both ways in are timed: sequences (`selective_scan`) and a feature map scanned in four directions at once
(`cross_selective_scan`, what SS2D calls), at the size of stage 0 of DASS: 4 samples, 4 directions of 96 channels, 8192
steps, state 1. Every implementation is first compared with the definition. The floor is the bytes that each way in must
read and write at least, over the measured copy rate. Exits with 1 when a bar is missed: time grows with the
length, the batch or the state to a power above `MOST_EXPONENT`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, NamedTuple

import bench
import scan_peers
import torch
import typer
from torch import Tensor

from model.selective_scan import available_engines, choose_engine, selective_scan
from model.selective_scan.cross_selective_scan import cross_selective_scan

MOST_EXPONENT = 1.15  # caches hold the smallest sizes and not the largest
TOLERANCE = {torch.float32: 2e-4, torch.bfloat16: 4e-2}
HEIGHT = 32
DIRECTIONS = 4

Scan = Callable[..., Tensor]


class Size(NamedTuple):
    """Size of a scan; `channels` are those of one direction, `length` is that of one sequence."""

    batch: int = 4
    channels: int = 96
    length: int = 8192
    state: int = 1


class WayIn(NamedTuple):
    """One of our two scan functions, its arguments, and other implementations of the function."""

    function: Scan
    inputs: Callable[[Size, torch.device, torch.dtype], list[Tensor]]
    peers: dict[str, Scan]

    def scans(self, device: torch.device) -> dict[str, Scan]:
        """List every scan that runs on `device` here; the engine that `auto` takes comes first."""
        ours = {name: partial(self.function, engine=name) for name in engines(device)}
        return {**ours, **self.peers}


STAGE_0 = Size()
SMALL = Size(2, 8, 128, 2)
GROWING = Size(4, 96, 2048, 1)  # beyond the caches all the way
GROWTH = {
    "length": (1024, 2048, 4096, 8192, 16384),
    "batch": (2, 4, 8, 16, 32),
    "state": (1, 2, 4, 8, 16),
}


def main(
    repeats: Annotated[int, typer.Option(help="Rounds, of which the median counts.")] = 7,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    memory: Annotated[bool, typer.Option(help="Peak memory, each in a process of its own.")] = True,
    growth: Annotated[bool, typer.Option(help="Time against length, batch and state.")] = True,
) -> None:
    where = bench.chosen_device(device)
    bench.print_machine(where)
    for name, reason in {**available_engines(), **scan_peers.missing()}.items():
        if reason is not None:
            print(f"  {name} is not timed: {reason}")
    copy_rate = bench.copy_rate(where)
    print(f"  copy rate {copy_rate / 1e9:.1f} GB/s, read and written")
    for dtype in (torch.float32, torch.bfloat16) if where.type == "cuda" else (torch.float32,):
        for name in WAYS_IN:
            check(name, where, dtype)
            compare(name, where, dtype, repeats, copy_rate, memory)
    raise typer.Exit(bench.verdict(grow(where, repeats) if growth else []))


def sequences(size: Size, device: torch.device, dtype: torch.dtype) -> list[Tensor]:
    """Draw the arguments of `selective_scan`: u, delta, A, B, C, D, delta_bias."""
    draw = partial(torch.randn, generator=torch.Generator().manual_seed(0))
    channels = DIRECTIONS * size.channels
    u, delta = (draw(size.batch, channels, size.length).to(device, dtype) for _ in range(2))
    B, C = (draw(size.batch, DIRECTIONS, size.state, size.length).to(device, dtype) for _ in range(2))
    A, D, bias = -0.5 - draw(channels, size.state).abs(), torch.ones(channels), torch.full((channels,), -4.0)
    return [u, delta, A.to(device), B, C, D.to(device), bias.to(device)]


def feature_maps(size: Size, device: torch.device, dtype: torch.dtype) -> list[Tensor]:
    """Draw the arguments of `cross_selective_scan`: u, projected, dt_weight, dt_bias, A, D."""
    draw = partial(torch.randn, generator=torch.Generator().manual_seed(0))
    grid = size.batch, HEIGHT, size.length // HEIGHT
    rank, channels = -(-size.channels // 16), DIRECTIONS * size.channels
    u, projected = draw(*grid, size.channels), draw(*grid, DIRECTIONS * (rank + 2 * size.state))
    weight, bias = draw(DIRECTIONS, size.channels, rank) / rank, torch.full((DIRECTIONS, size.channels), -4.0)
    parameters = weight, bias, -0.5 - draw(channels, size.state).abs(), torch.ones(channels)
    return [u.to(device, dtype), projected.to(device, dtype), *(x.to(device) for x in parameters)]


WAYS_IN = {
    "selective_scan": WayIn(partial(selective_scan, delta_softplus=True), sequences, scan_peers.scans()),
    "cross_selective_scan": WayIn(cross_selective_scan, feature_maps, {}),
}


def engines(device: torch.device) -> list[str]:
    """List the engines that run on `device` here; the one that `auto` takes comes first."""
    chosen = choose_engine("auto", device)
    works = [name for name, reason in available_engines().items() if reason is None and name != chosen]
    return [chosen, *(name for name in works if _runs_on(name, device))]


def check(name: str, device: torch.device, dtype: torch.dtype) -> None:
    """Compare outputs and gradients of every scan with those of the definition in float64."""
    way_in = WAYS_IN[name]
    inputs = way_in.inputs(SMALL, device, dtype)
    expected = outcome(partial(way_in.function, engine="reference"), [x.double() for x in inputs])
    for scan, run in way_in.scans(device).items():
        for got, wanted in zip(outcome(run, inputs), expected, strict=True):
            error = float((got.double() - wanted).norm() / wanted.norm())
            assert error < TOLERANCE[dtype], f"{name} by {scan} is off by {error:.1e}, as a share of the norm"


def compare(
    name: str, device: torch.device, dtype: torch.dtype, repeats: int, copy_rate: float, memory: bool
) -> None:
    """Print a table of all scans at the size of stage 0."""
    scans, inputs = WAYS_IN[name].scans(device), WAYS_IN[name].inputs(STAGE_0, device, dtype)
    chosen = next(iter(scans))
    forward = bench.time_in_turn(
        {scan: partial(_forward, run, inputs) for scan, run in scans.items()}, repeats, device
    )
    both = bench.time_in_turn(
        {
            scan: partial(outcome, run, inputs)
            for scan, run in scans.items()
            if scan not in scan_peers.QUADRATIC
        },
        repeats,
        device,
    )
    rows = []
    for scan in scans:
        row = [f"**{scan}**" if scan == chosen else scan]
        for times in (forward, both):
            measured = scan in times
            row.append(times[scan].cell("ms") if measured else "not run: quadratic in the length")
            row.append(f"{bench.ratio(times[scan], times[chosen]):.1f}" if measured else "")
        if memory:
            peak = bench.peak_memory(prepared, name, scan, str(device), dtype, scan in both)
            row.append(bench.mib(peak.extra))
        rows.append(row)
    rows.append(["floor: bytes over the copy rate"])
    for times, least in zip((forward, both), floors(inputs, copy_rate), strict=True):
        rows[-1] += [bench.number(1e3 * least), f"{least / times[chosen].median:.2f}"]
    head = [f"{name}, {str(dtype).removeprefix('torch.')}", "forward, ms", "ratio"]
    head += ["forward + backward, ms", "ratio"]
    if memory:
        head, rows[-1] = [*head, "extra peak memory, MiB"], [*rows[-1], ""]
    bench.print_table(head, rows)


def floors(inputs: Sequence[Tensor], copy_rate: float) -> tuple[float, float]:
    """Seconds of a forward that reads its inputs and writes an output as large as u, the first of them; and of both
    passes, if the inputs are read once in each, the gradient of the output is read and that of each input written."""
    everything, output = sum(x.nbytes for x in inputs), inputs[0].nbytes
    return (everything + output) / copy_rate, (3 * everything + 2 * output) / copy_rate


def prepared(name: str, scan: str, device: str, dtype: torch.dtype, backward: bool) -> Callable[[], object]:
    """Prepare a scan of stage 0, compiled, to be run in a process of its own."""
    where, way_in = bench.chosen_device(device), WAYS_IN[name]
    run, act = way_in.scans(where)[scan], outcome if backward else _forward
    act(run, way_in.inputs(SMALL, where, dtype))
    return partial(act, run, way_in.inputs(STAGE_0, where, dtype))


def grow(device: torch.device, repeats: int) -> list[str]:
    """Print a table of how the fastest of all rounds grows with each dimension; returns the bars that were missed.

    The fastest round counts, as other jobs can only add time. The definition, slow but linear too, is left out where an
    engine works.
    """
    chosen, *others = engines(device)
    fast = [chosen, *(engine for engine in others if engine != "reference")]
    ways = [*(("selective_scan", engine) for engine in fast), ("cross_selective_scan", chosen)]
    rows, missed = [], []
    for name, engine in ways:
        for field, values in GROWTH.items():
            least = _least(name, engine, field, values, device, 3 * repeats)
            exponent = bench.growth_exponent(values, least)
            what, of = f"{name}, {engine}", f"{field} {', '.join(map(str, values))}"
            seconds = ", ".join(bench.number(1e3 * second) for second in least)
            rows.append(
                [what, of, seconds, f"{bench.fit_line(values, least).r_squared:.4f}", f"{exponent:.2f}"]
            )
            if exponent > MOST_EXPONENT:
                missed.append(f"{what}: time grows as {field} ** {exponent:.2f}, above {MOST_EXPONENT}")
    start = f"batch {GROWING.batch}, length {GROWING.length}, state {GROWING.state}"
    head = ["scan", f"what grows, from {start}", "forward + backward, least ms"]
    bench.print_table([*head, "R² of a line", "exponent"], rows)
    return missed


def _least(
    name: str, engine: str, field: str, values: Sequence[int], device: torch.device, repeats: int
) -> list[float]:
    scan, inputs = WAYS_IN[name].scans(device)[engine], WAYS_IN[name].inputs
    actions: Mapping[str, bench.Action] = {
        str(value): partial(outcome, scan, inputs(GROWING._replace(**{field: value}), device, torch.float32))
        for value in values
    }
    return [min(timing.seconds) for timing in bench.time_in_turn(actions, repeats, device).values()]


def _runs_on(engine: str, device: torch.device) -> bool:
    try:
        return choose_engine(engine, device) == engine
    except ValueError:
        return False


@torch.no_grad()
def _forward(scan: Scan, inputs: Sequence[Tensor]) -> Tensor:
    return scan(*inputs)


def outcome(scan: Scan, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Compute the output and all gradients."""
    leaves = [x.detach().requires_grad_() for x in inputs]
    y = scan(*leaves)
    return [y.detach(), *torch.autograd.grad(y, leaves, torch.ones_like(y))]


if __name__ == "__main__":
    typer.run(main)
