"""The functions of `import sweep`. Each imports what it needs when it is called."""

from __future__ import annotations

from functools import partial
from math import inf
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.settings import ConfigError, parse
from sweep.api.arguments import require, require_whole
from sweep.api.study import Study
from sweep.config import study_config
from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder

if TYPE_CHECKING:
    import pandas as pd

    from sweep.report.compared_studies import StudyComparison
    from sweep.report.study_plan import Plan

STUDIES = "studies"
"""Where studies lie unless another folder is named, seen from the working directory."""


def read_study(path: Path | str, /, **settings: Any) -> StudyConfig:
    """Read a study file, with settings in place of its own.

    Settings are fields of a study file, `data="ICBHI", budget={"configurations": 40}`, also by dotted name:
    `**{"budget.configurations": 40}`. Raises ConfigError, naming file, field and what would be right.
    """
    require(isinstance(path, Path | str), "study file: must be a path", path)
    if isinstance(settings.get("data"), Path):
        settings["data"] = str(settings["data"])
    return study_config.read_study(Path(path), settings)


def run(
    config: StudyConfig | Path | str,
    name: str,
    *,
    studies: Path | str = STUDIES,
    address: str = "local",
    progress: bool = True,
) -> Study:
    """Run a study to its end, as `respsweep run --name` does; blocks, and returns the study.

    `config`: a study, or its file. A study that is there already under this name goes on where it stopped. Ctrl-C halts
    it: what was reported is kept, and the epochs under way are trained again when the study goes on. `studies`: a
    folder, or a place on an object store (`s3://bucket/lab`). `address`: `local` trains on this machine, `auto` on the
    Ray cluster that it belongs to. Of MLflow servers only that in `MLFLOW_TRACKING_URI` is sent name and password.
    `progress` prints what the command line prints; without it warnings go to logging.

    Raises ConfigError, DataError or another UserError, before anything has run, for what cannot run;
    InterruptedStudyError when the study was stopped, and NoConfigurationError when no configuration finished all seeds.
    """
    config = _study_config(config)
    _check_place(studies, name)
    _check_address(address)
    require(isinstance(progress, bool), "progress: must be True or False", progress)

    from sweep.driver.display import ConsoleDisplay, NoDisplay, console
    from sweep.driver.run_folds import run_search

    display = ConsoleDisplay(console()) if progress else NoDisplay()
    return Study(run_search(config, StudyFolder.find(studies, name), address, display))


def open(name: str, *, studies: Path | str = STUDIES) -> Study:
    """Open a study that exists, running or not; `studies` is a folder or a place on an object store.

    Raises FolderError, naming the studies that there are, for an unknown one; StorageError for a store that is away;
    ConfigError for what is no name or place.
    """
    _check_place(studies, name)
    return Study(StudyFolder.open(studies, name))


def studies(place: Path | str = STUDIES) -> pd.DataFrame:
    """Return a table of the studies in a folder, or a place on an object store: the one that changed last first.

    Its columns: `sweep.report.study_list.studies_frame`. Raises StorageError for a store that is away, ConfigError for
    what is no place.
    """
    require(isinstance(place, Path | str), "place: must be a folder or an object store's URI", place)
    from sweep.report.study_list import list_studies, studies_frame

    return studies_frame(list_studies(place))


def compare(one: Study, other: Study, *, data: Path | str | None = None) -> StudyComparison:
    """Compare two studies on the same recordings: their winners, the paired difference of these, settings that differ.

    `data`: where the recordings lie, unless where the first study says. Where the studies were scored on something else,
    `faults` of what is returned say so, and there is no difference. Raises ConfigError for what are no studies.
    """
    for study in (one, other):
        require(isinstance(study, Study), "compare: must be a study, as open returns", study)
    require(data is None or isinstance(data, Path | str), "data: must be a path", data)
    from sweep.evaluation.study_comparison import compare_studies

    return compare_studies(one.folder, other.folder, None if data is None else Path(data))


def plan(
    config: StudyConfig | Path | str,
    workers: int = 1,
    *,
    epoch_seconds: float | None = None,
    recorded: Study | None = None,
    probe: bool = False,
    price: float | None = None,
    repeats: int = 5,
    address: str = "local",
) -> Plan:
    """Say what a study would cost on `workers` units at a time, and what is missing; keeps nothing on disk.

    `config`: a study, or its file. It is simulated `repeats` times, on the learning curves that the study `recorded`
    reported, or on made-up curves. Hours need the time of an epoch on a worker: that of `recorded`, `epoch_seconds`, or
    with `probe` that of a few steps that are trained here, on noise. `price`: of a GPU for an hour, or of a worker where
    units take no GPU. `address`: where it will run, as for `run`; with `local` this machine has to have room for a unit,
    and of a cluster nothing is asked. Raises ConfigError for arguments that cannot be, for a sampler or pruner that
    refuses the study, and when the study cannot come to the points that have curves.
    """
    config = _study_config(config)
    _check_simulated(workers, repeats, recorded)
    _check_address(address)
    for name, given in (("epoch_seconds", epoch_seconds), ("price", price)):
        positive = isinstance(given, Real) and not isinstance(given, bool) and 0 < given < inf
        require(given is None or positive, f"{name}: must be a number above 0", given)
    require(isinstance(probe, bool), "probe: must be True or False", probe)
    require(
        recorded is None or epoch_seconds is None,
        "epoch_seconds: must be left out with recorded, whose epochs lasted as long as they did",
        epoch_seconds,
    )

    from sweep.driver.plan import plan_study

    folder = None if recorded is None else recorded.folder
    return plan_study(
        config,
        workers,
        epoch_seconds=epoch_seconds,
        recorded=folder,
        probe=probe,
        price=price,
        repeats=repeats,
        address=address,
    )


def simulate(
    config: StudyConfig | Path | str | None = None,
    workers: int = 1,
    repeats: int = 20,
    *,
    recorded: Study | None = None,
    curves: Path | str | None = None,
    world: dict[str, Any] | None = None,
) -> pd.DataFrame:
    """Play a study on learning curves instead of training: what would it cost, what would it find?

    `config`: a study, or its file; by default the study whose curves are played. `workers`: units at a time. The curves
    are those that the study `recorded` reported, those in the file `curves` (as `Study.export_curves` writes it), or
    made up by the settings `world` (`{"seed_sd": 0.008}`; fields of `sweep.simulation.made_up_curves.WorldConfig`).
    Returns a table with a row for each simulated study, see `sweep.report.frames.simulation_frame`. Raises ConfigError
    for arguments that cannot be, for a broken file, and for points that do not fit.
    """
    _check_simulated(workers, repeats, recorded)
    require(curves is None or isinstance(curves, Path | str), "curves: must be a path", curves)
    if sum(source is not None for source in (recorded, curves, world)) > 1:
        raise ConfigError(
            "recorded, curves, world: curves are made up or of one recorded study; give one of them"
        )

    from sweep.report.frames import simulation_frame
    from sweep.simulation.curves_file import read_curves
    from sweep.simulation.made_up_curves import SyntheticCurves, WorldConfig
    from sweep.simulation.recorded_curves import RecordedCurves, RecordedStudy
    from sweep.simulation.simulate import simulate
    from sweep.simulation.study_curves import study_curves

    if recorded is not None:
        played = study_curves(recorded.folder)
    else:
        played = None if curves is None else read_curves(Path(curves))
    config = played.config if played and config is None else _study_config(config)
    if played:
        made = partial(RecordedCurves, RecordedStudy(played, config.seeds))
    else:
        made = partial(
            SyntheticCurves, parse(WorldConfig, {} if world is None else world, "world"), config.space
        )
    return simulation_frame(simulate(config, made, workers, repeats))


def _study_config(config: object) -> StudyConfig:
    """Take a study as it is, and read the file of one that is named by its path."""
    if isinstance(config, StudyConfig):
        return config
    if isinstance(config, Path | str):
        return read_study(config)
    raise ConfigError(f"config: must be a study, as read_study returns, or its file, got {config!r}")


def _check_place(studies: object, name: object) -> None:
    require(isinstance(name, str), "name: must be a text", name)
    require(isinstance(studies, Path | str), "studies: must be a folder or an object store's URI", studies)


def _check_address(address: object) -> None:
    require(isinstance(address, str), "address: must be local, auto or HOST:PORT", address)


def _check_simulated(workers: object, repeats: object, recorded: object) -> None:
    require_whole("workers", workers, 1)
    require_whole("repeats", repeats, 1)
    require(
        recorded is None or isinstance(recorded, Study),
        "recorded: must be a study, as open returns",
        recorded,
    )
