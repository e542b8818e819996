"""How many heads on a frozen encoder a second are trained: alone, by a worker, and through a whole study.

    .venv/bin/python benchmarks/frozen_heads.py --data ../shared/sprsound --task icbhi
    .venv/bin/python benchmarks/frozen_heads.py --configurations 20
    .venv/bin/python benchmarks/frozen_heads.py --data ../shared/sprsound --task icbhi --configurations 3000 --raced

The encoder is a tiny CNN-TSA with random weights, which makes no difference to the work. Every configuration is trained
with every seed, without race and pruner; with --raced as many seeds as the race asks for. Rates are by the clock, and
processor time is what a unit takes of it on any machine that has other work too. Without --data the cycles are those of
synthetic breaths. No bar is set.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import bench
import torch
import typer
from processes import family

from data.quantities import duration
from data.settings import parse
from data.task import task_named
from model.registry import build_backbone
from model.training.recipe import Recipe
from model.training.training import Training
from sweep.config.study_config import StudyConfig
from sweep.config.study_parts import ResourcesConfig, SyntheticConfig
from sweep.driver.display import NoDisplay
from sweep.driver.run import run_study
from sweep.folder.study_folder import StudyFolder
from sweep.study.events import Event, UnitFinished
from sweep.worker.embedded_data import load_embedded
from sweep.worker.prepared_data import DataPreparation, PreparedData, synthetic_directory
from sweep.worker.trainable import UnitTrainable
from sweep.worker.unit_config import unit_config
from sweep.worker.weights import Weights, weights_of

SETTINGS: dict[str, Any] = {
    "frozen": {"encoder": True},
    "smoothing": {"stage": None},
    "patch_mix": {"axes": []},
    "augment": {"probability": 0},
    "features": {
        "sample_rate": 8000,
        "duration_s": 2.5,
        "n_mels": 64,
        "frame_length_ms": 40,
        "frame_shift_ms": 40,
        "low_hz": 50,
        "high_hz": 2500,
        "target_frames": None,
    },
    "optimiser": {"learning_rate": 0.01, "weight_blend": 0.0},
}
SEARCH = {
    "frozen.hidden": {"type": "categorical", "choices": [0, 64]},
    "optimiser.learning_rate": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
    "loss.logit_adjustment": {"type": "float", "low": 0.0, "high": 1.5},
}
LOOK_EVERY = 10
WANTED = 15_000
"""Units of 3,000 configurations with five seeds."""


def main(
    data: Annotated[Path | None, typer.Option(help="Recordings; without, synthetic breaths.")] = None,
    task: Annotated[str | None, typer.Option(help="Task of recordings that have several.")] = None,
    configurations: Annotated[int, typer.Option(help="Of the study, five seeds each.")] = 40,
    units: Annotated[int, typer.Option(help="Heads trained alone, and by a worker.")] = 20,
    epochs: Annotated[int, typer.Option(help="Epochs of a unit.")] = 10,
    batch_size: Annotated[int, typer.Option(help="Cycles in a batch.")] = 256,
    raced: Annotated[bool, typer.Option(help="Race the study's configurations over their seeds.")] = False,
) -> None:
    bench.print_machine(torch.device("cpu"))
    torch.set_num_threads(1)  # as many as a worker has
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = data or synthetic_directory(SyntheticConfig(patients=24), folder)
        settings = {**SETTINGS, "epochs": epochs, "batch_size": batch_size}
        settings["backbone"] = {"name": "cnn_tsa", "variant": "tiny", "pretrained": str(_encoder(folder))}
        recipe = parse(Recipe, settings, "benchmark")
        preparation = DataPreparation(place, task=task, progress=False)
        prepared, weights = preparation.prepare(recipe), weights_of(recipe)
        assert weights is not None
        started = time.process_time()
        train, validation = load_embedded(prepared, recipe, weights, "cpu")
        print(
            f"{len(train)} training and {len(validation)} validation cycles, {train.features.shape[1]} features each, "
            f"{epochs} epochs in batches of {batch_size}; opened or computed in {time.process_time() - started:.1f} s"
        )
        rows = [
            ["a linear head alone", *_alone(recipe, prepared, weights, units)],
            ["64 hidden units, alone", *_alone(_hidden(recipe), prepared, weights, units)],
            ["a worker without Ray", *_by_worker(recipe, prepared, weights, units, folder / "worker")],
            [
                "a whole study, 2 at a time",
                *_study(settings, place, task, configurations, folder, raced=raced),
            ],
        ]
    head = ["", "units a second", "processor, ms a unit: median", f"hours for {WANTED:,}, of one processor"]
    bench.print_table(head, rows)


def _encoder(folder: Path) -> Path:
    """Write weights for the encoder, as a file of tensors."""
    torch.manual_seed(0)
    recipe = parse(
        Recipe, {**SETTINGS, "frozen": {}, "backbone": {"name": "cnn_tsa", "variant": "tiny"}}, "encoder"
    )
    network = build_backbone(recipe.backbone, recipe.smoothing, 4, recipe.input_shape)
    torch.save(network.state_dict(), folder / "encoder.pt")
    return folder / "encoder.pt"


def _hidden(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"frozen": recipe.frozen.model_copy(update={"hidden": 64})})


def _alone(recipe: Recipe, prepared: PreparedData, weights: Weights, units: int) -> list[str]:
    train, validation = load_embedded(prepared, recipe, weights, "cpu")
    task = task_named(prepared.task)

    def run(seed: int) -> None:
        training = Training(recipe, seed, train, validation, task=task, device="cpu")
        while not training.done:
            training.run_epoch()

    return _row(*_timed(run, units))


def _by_worker(
    recipe: Recipe, prepared: PreparedData, weights: Weights, units: int, folder: Path
) -> list[str]:
    worker: list[UnitTrainable] = []

    def run(seed: int) -> None:
        config = unit_config(
            0,
            seed,
            recipe,
            prepared,
            folder / "units",
            ResourcesConfig(),
            predictions=str(folder / "predictions"),
            weights=weights,
        )
        if not worker:
            worker.append(UnitTrainable(config))
        else:
            worker[0].reset_config(config)
        while not worker[0].train()["done"]:
            pass

    return _row(*_timed(run, units))


def _timed(run: Callable[[int], None], units: int) -> tuple[float, list[float]]:
    """Run units one after the other; returns the seconds of all by the clock, and the processor's of each."""
    run(0)
    taken, started = [], time.perf_counter()
    for seed in range(1, units + 1):
        before = time.process_time()
        run(seed)
        taken.append(time.process_time() - before)
    return (time.perf_counter() - started) / units, taken


def _row(seconds: float, processor: Sequence[float]) -> list[str]:
    taken = statistics.median(processor)
    return [f"{1 / seconds:.1f}", f"{1e3 * taken:.0f}", f"{WANTED * taken / 3600:.2f}"]


@dataclass(frozen=True)
class _Moment:
    """When some units had ended, and the processor seconds that each part of the family had used by then."""

    at: float
    count: int
    used: Mapping[str, float]


class _Watch(NoDisplay):
    """Notes now and then, as units end, what driver, workers and the rest have used."""

    def __init__(self) -> None:
        self.ended = 0
        self.moments: list[_Moment] = []

    def hear(self, event: Event) -> None:
        if not isinstance(event, UnitFinished):
            return
        self.ended += 1
        if self.ended % LOOK_EVERY == 1:
            used = dict.fromkeys(("driver", "workers", "Ray and MLflow"), 0.0)
            for use in family():
                worker = "workers" if use.name.startswith("ray::Unit") else "Ray and MLflow"
                used["driver" if use.pid == os.getpid() else worker] += use.processor_s
            self.moments.append(_Moment(time.perf_counter(), self.ended, used))


def _study(
    settings: dict[str, Any],
    place: Path,
    task: str | None,
    configurations: int,
    folder: Path,
    *,
    raced: bool,
) -> list[str]:
    """Run a study of which no unit is stopped; counted is what all its processes take from the first unit's end on."""
    config = parse(
        StudyConfig,
        {
            "data": str(place),
            "task": task,
            "recipe": settings,
            "search": SEARCH,
            "sampler": {"name": "random", "seed": 0},
            "pruner": {"name": "none"},
            **({} if raced else {"racing": {"name": "none"}}),
            "budget": {"configurations": configurations},
        },
        "benchmark",
    )
    studies = folder / "studies"
    watch, started = _Watch(), time.perf_counter()
    run_study(config, StudyFolder.find(studies, "heads"), display=watch)
    took = time.perf_counter() - started
    print(f"\nthe study: {watch.ended} units, over with its report after {duration(took)}")
    first, last = watch.moments[0], watch.moments[-1]
    units = last.count - first.count
    parts = {part: (last.used[part] - first.used[part]) / units for part in last.used}
    told = ", ".join(f"{part} {1e3 * took:.0f}" for part, took in parts.items())
    print(f"processor of a unit of the study, ms: {told}")
    return _row((last.at - first.at) / units, [sum(parts.values())])


if __name__ == "__main__":
    typer.run(main)
