"""What a study would cost before it runs: units and epochs of simulated studies, disk for features, what is missing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

from data.errors import UserError
from data.folds import check_patients
from data.quantities import duration, gibibytes
from data.recordings import read_recordings
from data.synthetic import invented_breaths
from model.training.recipe import Recipe
from model.weights_file import PretrainedError, find_checkpoint, is_hub_id
from sweep.config.study_config import StudyConfig
from sweep.config.study_parts import SyntheticConfig
from sweep.driver.preflight import given_data
from sweep.driver.warning_by import warning_by
from sweep.execution.errors import ExecutorError
from sweep.execution.ray_session import check_machine
from sweep.folder.study_folder import StudyFolder
from sweep.simulation.made_up_curves import LearningCurves, SyntheticCurves, WorldConfig
from sweep.simulation.recorded_curves import RecordedCurves, RecordedStudy
from sweep.simulation.simulate import play
from sweep.simulation.study_curves import study_curves
from sweep.storage.cache_folder import cache_folder

BYTES = {"float32": 4, "float16": 2}


@dataclass(frozen=True)
class Plan:
    """What a study would cost. Configurations, units and epochs are means over simulated studies.

    `hours` on all workers together from the first unit to the last; None while nobody has said how long an epoch takes.
    `feature_bytes`: log-mels of the training part, which this machine's cache will hold; None while the recordings are
    not there. `free_bytes`: free on the cache's disk. `missing`: a line for each thing without which the study would be
    refused. `warnings`: lines about recordings that can be used and are not as they should be. `note`: where the
    learning curves are from.
    """

    configurations: float
    units: float
    epochs: float
    hours: float | None
    feature_bytes: int | None
    free_bytes: int
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    note: str

    def __str__(self) -> str:
        time = "not known without epoch_seconds" if self.hours is None else duration(3600 * self.hours)
        features = "not known" if self.feature_bytes is None else gibibytes(self.feature_bytes)
        return "\n".join(
            [
                f"configurations {self.configurations:.0f}, units {self.units:.0f}, epochs {self.epochs:.0f}",
                f"time: {time}",
                f"disk: features {features}, {gibibytes(self.free_bytes)} free",
                *(f"missing: {line}" for line in self.missing),
                *(f"warning: {line}" for line in self.warnings),
                f"({self.note})",
            ]
        )


def plan_study(
    config: StudyConfig,
    workers: int = 1,
    *,
    epoch_seconds: float | None = None,
    recorded: StudyFolder | None = None,
    repeats: int = 5,
    address: str = "local",
) -> Plan:
    """Say what a study would cost on `workers` units at a time; starts and writes nothing.

    The study is simulated `repeats` times, on the curves that the study in the folder `recorded` reported, or on
    made-up curves, where `epoch_seconds` is the time of an epoch on a worker. If the study is to run at the address
    `local`, this machine has to have room for a unit; of a cluster's machines nothing is asked. Raises ConfigError when
    the study cannot come to the points that have curves.
    """
    made_up = WorldConfig() if epoch_seconds is None else WorldConfig(epoch_seconds=epoch_seconds)
    if recorded is not None:
        world = partial(RecordedCurves, RecordedStudy(study_curves(recorded), config.seeds))
    else:
        world = partial(SyntheticCurves, made_up, config.space)
    first: LearningCurves = world(0)
    (outcomes,) = play([config], world, workers, repeats, processes=1)
    timed = recorded is not None or epoch_seconds is not None
    recipe = config.any_recipe()
    warnings: list[str] = []
    feature_bytes = None
    missing: list[str] = []
    with warning_by(warnings.append):
        try:
            feature_bytes = _feature_bytes(config, recipe)
        except UserError as error:
            missing.append(str(error))
    try:
        _find_weights(recipe)
    except PretrainedError as error:
        missing.append(str(error))
    if address == "local":
        try:
            check_machine(config.resources)
        except ExecutorError as error:
            missing.append(str(error))
    return Plan(
        configurations=fmean(outcome.configurations for outcome in outcomes),
        units=fmean(outcome.units for outcome in outcomes),
        epochs=fmean(outcome.epochs for outcome in outcomes),
        hours=fmean(outcome.hours for outcome in outcomes) if timed else None,
        feature_bytes=feature_bytes,
        free_bytes=_free_bytes(cache_folder()),
        missing=tuple(missing),
        warnings=tuple(warnings),
        note=first.note if timed else made_up.note,
    )


def _feature_bytes(config: StudyConfig, recipe: Recipe) -> int:
    """Size of the log-mels of the training part. Raises ConfigError or DataError for recordings that cannot be used."""
    given = given_data(config)
    if isinstance(given, SyntheticConfig):
        breaths = invented_breaths("train", given.patients, given.seed)
        patients, cycles = set(breaths), sum(breaths.values())
    else:
        data = read_recordings(Path(given), config.task)
        recordings = data.part(data.parts[0])
        patients = {recording.patient for recording in recordings} - data.never_validate
        cycles = sum(len(recording.cycles) for recording in recordings)
    check_patients(patients, recipe.folds)
    features = recipe.features
    return cycles * features.frames * features.n_mels * BYTES[features.storage]


def _find_weights(recipe: Recipe) -> None:
    """Raise PretrainedError when weights are a file that is not there; those of a hub are fetched when a study runs."""
    source = recipe.backbone.pretrained
    if source is not None and not is_hub_id(source):
        find_checkpoint(source)


def _free_bytes(folder: Path) -> int:
    """Free bytes on the disk on which a folder lies, or would lie."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free
