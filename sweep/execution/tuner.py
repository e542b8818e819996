"""The loop of a study: Ray Tune runs its units, and the study says which and how long."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ray import tune
from ray.air._internal import usage
from ray.tune.registry import _global_registry

from sweep.config.study_parts import ResourcesConfig
from sweep.execution.nodes import place_for
from sweep.execution.pause import Pause
from sweep.execution.room import bundle
from sweep.execution.scheduler import EpochPruning
from sweep.execution.searcher import BoardSearcher
from sweep.execution.slots import Slots
from sweep.execution.unit_actors import UnitActors
from sweep.study.coordinator import Coordinator, UnitConfig


def run_units(
    coordinator: Coordinator,
    resources: ResourcesConfig,
    unit_config: UnitConfig,
    folder: Path,
    on_tick: Callable[[], None],
    trainable: type[tune.Trainable],
    slots: Slots,
) -> None:
    """Run units, as many at a time as `slots` says, until the study is over or halted; Ray must have been started.

    `on_tick` is called between Ray's events, several times a second. An error in `on_tick` or in `unit_config` is raised
    from here and ends the run, but for a ConfigError of `unit_config`, which fails the configuration. A unit that loses
    its worker comes back through the study, not through Tune's own retries, so that it makes no difference whether the
    worker died or the driver. `folder` takes Ray Tune's own bookkeeping, which respsweep does not read back.
    """
    actors = UnitActors(coordinator)
    scheduler = EpochPruning(coordinator, actors)
    tuner = tune.Tuner(
        tune.with_resources(trainable, partial(place_for, bundle(resources))),
        tune_config=tune.TuneConfig(
            search_alg=BoardSearcher(coordinator, unit_config, scheduler.losses, slots, on_tick),
            scheduler=scheduler,
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=lambda trial: trial.trial_id,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(folder.absolute()),
            stop=_Halt(Pause(coordinator, actors.count_at_work)),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=[_Ticker(actors, on_tick)],
            verbose=0,
        ),
    )
    # To count callbacks for statistics of use, which are off, Ray would import MLflow and others into the driver.
    usage.tag_callbacks = _count_no_callbacks
    # Failures are on the board, with their reason.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    with _remembering_trainables():
        tuner.fit()


@contextlib.contextmanager
def _remembering_trainables() -> Iterator[None]:
    """Keep what Tune's registry holds at hand: for each trial Tune asks the head of the cluster five times for it."""
    registry, tunes = _global_registry, type(_global_registry)
    held: dict[tuple[str, str], Any] = {}

    def get(category: str, key: str) -> Any:
        if (category, key) not in held:
            held[category, key] = tunes.get(registry, category, key)
        return held[category, key]

    def contains(category: str, key: str) -> bool:
        return (category, key) in held or tunes.contains(registry, category, key)

    registry.get, registry.contains = get, contains
    try:
        yield
    finally:
        del registry.get, registry.contains


def _count_no_callbacks(callbacks: object) -> bool:
    return False


class _Halt(tune.Stopper):
    """Ends Tune's loop when the study is halted, and its units have saved themselves."""

    def __init__(self, pause: Pause) -> None:
        self._pause = pause

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._pause.over()

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Ticker(tune.Callback):
    def __init__(self, actors: UnitActors, on_tick: Callable[[], None]) -> None:
        self._actors = actors
        self._on_tick = on_tick

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._actors.began(trial)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._actors.look()
        self._on_tick()

    def __getstate__(self) -> dict[str, Any]:
        return {}
