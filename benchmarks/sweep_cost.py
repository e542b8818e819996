"""What a unit of a sweep costs end to end, and how much of that is training.

    .venv/bin/python benchmarks/sweep_cost.py
    .venv/bin/python benchmarks/sweep_cost.py --units 3 --repeats 2

Units of the quickstart's recipe, with fewer epochs on fewer synthetic breaths, are trained in this process, by Ray Tune
alone with reused actors, and by the whole engine (journal, Optuna, MLflow): one at a time, and one on every core. Each
worker notes when it opens a unit, is ready, trains and reports; what lies between is waiting. Then: the time of an epoch
against the number of cycles. Exits with 1 when a bar is missed. (A file named sweep.py here would hide the package.)
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Annotated

import bench
import torch
import typer
from sweep_ways import by_engine, by_tune, in_process

from data.batches import Examples
from data.settings import parse, read_yaml
from data.task import ICBHI
from model.training.recipe import Recipe
from model.training.training import Training
from sweep.config.study_parts import ResourcesConfig, SyntheticConfig
from sweep.execution.ray_connection import start_ray, stop_ray
from sweep.worker.prepared_data import DataPreparation, PreparedData, synthetic_directory

QUICKSTART = Path(__file__).parents[1] / "search_spaces" / "quickstart.yaml"
IN_PROCESS, TUNE_ALONE = "in this process", "Ray Tune alone, one at a time"
ENGINE_ONE, ENGINE_ALL = "respsweep, one at a time", "respsweep, one on every core"
MOST_FIRST_S, MOST_NEXT_S, MOST_WAITING, MOST_EXPONENT = 10.0, 0.2, 0.1, 1.15
CYCLES = (64, 128, 256, 512, 1024)


def main(
    units: Annotated[int, typer.Option(min=2, help="Units each way; twice as many on every core.")] = 6,
    epochs: Annotated[int, typer.Option(help="Epochs of a unit; the quickstart's have 7.")] = 4,
    patients: Annotated[int, typer.Option(help="Synthetic ones; the quickstart has 48.")] = 24,
    repeats: Annotated[int, typer.Option(help="Rounds for the time of an epoch.")] = 3,
    gpu: Annotated[float, typer.Option(help="What share of a GPU a unit takes.")] = 0.0,
) -> None:
    bench.print_machine(torch.device("cuda" if gpu else "cpu"))
    resources = ResourcesConfig(gpu=gpu)
    warnings.filterwarnings("ignore", "folds:")  # so few patients fill no fold evenly
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = parse(Recipe, {**read_yaml(QUICKSTART)["recipe"], "epochs": epochs}, str(QUICKSTART))
        breaths = synthetic_directory(SyntheticConfig(patients=patients), folder)
        prepared = DataPreparation(breaths, folder, progress=False).prepare(recipe)
        torch.set_num_threads(1)  # as many as a worker has
        missed = print_units(recipe, prepared, folder, units, resources)
        missed += print_epochs(recipe, repeats, "cuda" if gpu else "cpu")
    raise typer.Exit(bench.verdict(missed))


def print_units(
    recipe: Recipe, prepared: PreparedData, folder: Path, units: int, resources: ResourcesConfig
) -> list[str]:
    """Print the table of the ways; returns the bars that were missed."""
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    ways = {IN_PROCESS: in_process(recipe, prepared, folder / "here", units, resources)}
    started = time.time()
    start_ray("local")
    try:
        print(f"  Ray starts in {time.time() - started:.1f} s")
        one = resources.model_copy(update={"concurrent": 1})
        ways[TUNE_ALONE] = by_tune(recipe, prepared, folder / "tune", units, resources)
        ways[ENGINE_ONE] = by_engine(recipe, prepared, folder / "one", units, one)
        ways[ENGINE_ALL] = by_engine(recipe, prepared, folder / "all", 2 * units, resources)
    finally:
        stop_ray()
    rows, missed = [], []
    for name, way in ways.items():
        seconds, shares = way.seconds_a_unit(), way.shares()
        first, following = way.until_first(), way.until_next()
        again = statistics.median(following)
        row = [name, bench.number(seconds), f"{seconds / ways[IN_PROCESS].seconds_a_unit():.2f}"]
        row += [f"{100 * share:.1f}" for share in shares.values()]
        rows.append([*row, f"{first:.2f}", f"{1e3 * again:.0f} ({1e3 * max(following):.0f})"])
        if name not in (ENGINE_ONE, ENGINE_ALL):
            continue
        if first > MOST_FIRST_S:
            missed.append(f"{name}: the first worker is ready after {first:.1f} s, above {MOST_FIRST_S}")
        if again > MOST_NEXT_S:
            missed.append(f"{name}: ready for the next unit after {again:.2f} s, above {MOST_NEXT_S}")
        if shares["waiting"] > MOST_WAITING:
            missed.append(f"{name}: {100 * shares['waiting']:.0f} % waiting, above {100 * MOST_WAITING:.0f}")
    head = [f"{units} units of {recipe.epochs} epochs", "s a unit and slot", f"x {IN_PROCESS}"]
    head += [f"{part}, %" for part in ways[IN_PROCESS].shares()]
    bench.print_table([*head, "first ready after, s", "next ready after, ms: median (most)"], rows)
    return missed


def print_epochs(recipe: Recipe, repeats: int, device: str) -> list[str]:
    """Print an epoch's time against the number of cycles; returns the bars that were missed."""
    draw = torch.Generator().manual_seed(0)
    shape = recipe.features.frames, recipe.features.n_mels
    validation = Examples(torch.randn(16, *shape, generator=draw), torch.arange(16) % 4)
    endless = recipe.model_copy(update={"epochs": 10**6})
    actions = {}
    for cycles in CYCLES:
        train = Examples(torch.randn(cycles, *shape, generator=draw), torch.arange(cycles) % 4)
        actions[str(cycles)] = Training(endless, 1, train, validation, device=device, task=ICBHI).run_epoch
    times = bench.time_in_turn(actions, repeats, torch.device(device))
    least = [min(times[str(cycles)].seconds) for cycles in CYCLES]
    rows = [[cycles, took.cell(), f"{1e3 * took.median / int(cycles):.2f}"] for cycles, took in times.items()]
    bench.print_table(["cycles", "s an epoch", "ms a cycle"], rows)
    exponent = bench.growth_exponent(CYCLES, least)
    line = bench.fit_line(CYCLES, least)
    print(f"\nR² of a line {line.r_squared:.4f}, exponent {exponent:.2f}")
    missed = f"an epoch's time grows as cycles ** {exponent:.2f}, above {MOST_EXPONENT}"
    return [missed] if exponent > MOST_EXPONENT else []


if __name__ == "__main__":
    typer.run(main)
