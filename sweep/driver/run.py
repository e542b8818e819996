"""The main path: a study file becomes a board, the board units, the units scores, and the best of them a file."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from functools import partial

from data.errors import UserError
from data.population import written
from data.settings import ConfigError
from sweep.config.study_config import StudyConfig
from sweep.driver.display import Display, NoDisplay
from sweep.driver.driver import BackgroundListener, Driver, InterruptedStudyError
from sweep.driver.executor import Executor
from sweep.driver.export import export
from sweep.driver.late_executor import started_or_late
from sweep.driver.mlflow_page import mlflow_page
from sweep.driver.patient_lock import LOCK_PATIENCE_S, patient_lock
from sweep.driver.preflight import CheckedStudy, preflight
from sweep.driver.results import Results
from sweep.driver.unit_preparation import UnitPreparation
from sweep.driver.warning_by import warning_by
from sweep.evaluation.epoch_readings import open_test_part
from sweep.execution.head_file import FILE, Head, remove_head, write_head
from sweep.execution.head_proof import HeadProof
from sweep.execution.ray_connection import HEAD
from sweep.execution.ray_session import RaySession
from sweep.folder.lease import LeasedLock
from sweep.folder.lock import StudyLock
from sweep.folder.mirror import Mirror, MirrorError
from sweep.folder.study_folder import StudyFolder
from sweep.search.optuna_export import OptunaExport
from sweep.storage.open_storage import below
from sweep.study.journal import Journal
from sweep.tracking.client_log_in import log_in_warnings, may_log_in
from sweep.tracking.messages import PROTOCOL
from sweep.tracking.tracker import Tracker, database_uri
from sweep.tracking.writer_process import WriterProcess

CLOSE_S = 300.0
CLOSE_SOON_S = 30.0
StartExecutor = Callable[..., Executor]
"""Called as `RaySession.start` is."""


def run_study(
    config: StudyConfig,
    folder: StudyFolder,
    address: str = "local",
    display: Display | None = None,
    *,
    tracking_server: str | None = None,
    start_executor: StartExecutor = RaySession.start,
) -> StudyFolder:
    """Run a study from its settings to `best.yaml` and its report, from where it stands; returns its folder.

    `folder`: the study's place, as `sweep.driver.which_study.choose_study` or `StudyFolder.find` give it; a new study
    is begun where there is none. `address`: `local` runs units on this machine, `auto` on the Ray cluster that this
    machine belongs to, `HOST:PORT` on another one. `display`: shows a person how the study goes; None shows nothing.
    `tracking_server`: an MLflow server that the user names beside the study's settings; like that in MLFLOW_TRACKING_URI
    it is sent the user's name and password, which a server that only the settings name is not.
    `start_executor`: starts what trains the units, given their resources, the address, and where to tell of waiting.

    Raises ConfigError, DataError, PretrainedError, ExecutorError, TrackingError, FolderError, JournalError,
    LockedError, StorageError, DataPreparationError or WeightsError, each with one clear line and before anything has
    run; then a new study leaves no folder and an old one is as it was. Raises InterruptedStudyError when it was stopped
    (Ctrl-C, a full disk, weights of one configuration that are missing), after `best.yaml` was written if any
    configuration is complete, and NoConfigurationError when a study is over and none is; the folder holds what there is.
    """
    display = display or NoDisplay()
    # The values of the journal, and those that a later driver reads in the study's folder, are then the same.
    config = config.resolved()
    if address == HEAD and folder.uri is not None:
        raise ConfigError(
            f"address head: workers find the driver by a folder that all machines see, so --studies must be a path, got "
            f"{folder.studies}"
        )
    fresh, begun = not folder.exists, False
    if fresh:
        folder.create(config)
    try:
        with (
            warning_by(display.warn),
            patient_lock(folder, display, LOCK_PATIENCE_S if address == HEAD else 0.0) as lock,
            mirrored(folder, lock, display) as mirror,
            # It imports MLflow while the study is looked at.
            WriterProcess() as writer,
        ):
            study = preflight(config, folder, display, address)
            for line in study.warnings:
                display.warn(line)
            with contextlib.ExitStack() as closing:
                tracker = _tracker(study, writer, tracking_server, display)
                closing.callback(_close_at_once, tracker)
                start = partial(start_executor, config.resources, address, display.say)
                if address == HEAD:
                    start = partial(start, announce=partial(_announce, folder, closing, display))
                if config.trains_heads:
                    start = partial(start, brief=True)
                executor = started_or_late(study, start, display)
                closing.callback(executor.stop)
                results = Results(folder, display)
                driver = _driver(
                    study,
                    executor,
                    tracker,
                    lock,
                    mirror,
                    address,
                    tracking_server,
                    display,
                    results,
                    closing,
                )
                begun = True
                try:
                    driver.run()
                except InterruptedStudyError:
                    _export_so_far(folder, display)
                    raise
            results.settle()
    except BaseException as error:
        # The study of a driver that was faster than we were is not ours to remove.
        if fresh and not begun and not StudyLock(folder.path).is_held():
            shutil.rmtree(folder.path)
        if isinstance(error, KeyboardInterrupt) and not begun:
            raise InterruptedStudyError(
                f"{folder.place}: stopped before it began; nothing has run", asked=True, at_once=True
            ) from None
        raise
    return folder


def _announce(
    folder: StudyFolder, closing: contextlib.ExitStack, display: Display, address: str, token: str
) -> None:
    """Write down where workers find this driver, until it lets go of the study."""
    proof = closing.enter_context(HeadProof(address, token))
    head = Head.here(address, token, proof.address)
    write_head(folder.path, head)
    closing.callback(remove_head, folder.path, head)
    display.say(
        f"workers find this driver by {folder.path / FILE}: respsweep cluster worker {folder.arguments}"
    )


def _tracker(
    study: CheckedStudy, writer: WriterProcess, named: str | None, display: Display
) -> BackgroundListener:
    """Connect to MLflow, which may refuse; `named`: the server that is sent name and password, see `run_study`."""
    folder, provenance = study.folder, study.provenance
    uri, artifacts = study.config.tracking_uri, None
    log_in = may_log_in(uri, named, os.environ)
    for line in log_in_warnings(uri, named, os.environ):
        display.warn(line)
    if uri is None:
        uri, artifacts = database_uri(folder.path), folder.artifacts.absolute()
    tags = {f"respsweep.{key}": str(provenance[key]) for key in ("task", "data_hash", "fold_hash", "commit")}
    tags[PROTOCOL] = study.config.protocol
    if (population := study.config.scored_population) != "all":
        tags["respsweep.scored_population"] = written(population)
    if study.config.label is not None:
        tags["respsweep.test_part"] = study.config.label
    if study.config.protocol == "published":
        # What MLflow's pages show as a run's description.
        tags["mlflow.note.content"] = study.config.label or ""
    study_id = provenance["study_id"]
    shown = mlflow_page(study.config, folder.name)
    tracker = Tracker(
        uri, folder.name, artifacts, study_id, study.past, tags, shown, process=writer, log_in=log_in
    )
    if tracker.away is not None:
        display.warn(f"{tracker.away}; what it lacks is sent when it is back")
    return tracker


def _export_so_far(folder: StudyFolder, display: Display) -> None:
    """Write `best.yaml` of a study that was halted, if any configuration is complete."""
    try:
        if folder.config().crosses is None and folder.board().best() is not None:
            display.say(f"best complete configuration so far: {export(folder)}")
    except UserError as error:
        display.warn(str(error))


def _close_at_once(tracker: BackgroundListener) -> None:
    # A driver that ran has waited, and said what is missing; without one, nothing of this study is.
    with contextlib.suppress(UserError):
        tracker.close(0.0)


def _driver(
    study: CheckedStudy,
    executor: Executor,
    tracker: BackgroundListener,
    lock: StudyLock,
    mirror: Mirror | None,
    address: str,
    tracking_server: str | None,
    display: Display,
    results: Results,
    closing: contextlib.ExitStack,
) -> Driver:
    """Put a driver together. What is still refused here: a place that cannot take what other machines need."""
    config, folder, provenance = study.config, study.folder, study.provenance
    shared = _shared_place(folder, address)
    folder.write_provenance(dict(provenance))
    open_test_part(folder, config, study.preparation, provenance)
    unit_preparation = UnitPreparation(
        config,
        study.preparation,
        folder.checkpoints,
        folder.predictions,
        shared,
        folder.leak if config.leak else None,
    )
    journal = closing.enter_context(contextlib.closing(Journal(folder.journal)))
    resume = f"respsweep run --resume {folder.arguments}"
    if address != "local":
        resume = f"{resume} --address {address}"
    if tracking_server is not None:
        resume = f"{resume} --tracking-uri {shlex.quote(tracking_server)}"
    optuna_export = OptunaExport(folder.path / "optuna.journal", folder.name, config, study.board)
    return Driver(
        study,
        executor,
        tracker,
        journal,
        lock,
        unit_preparation,
        display,
        resume,
        results=results,
        answer=results.answer,
        mirror=mirror,
        listeners=[optuna_export],
    )


def _shared_place(folder: StudyFolder, address: str) -> str | None:
    """Name the place where features and weights are copied for other machines; None when none takes part."""
    if folder.uri is None and address == "local":
        return None
    return below(folder.studies if folder.uri else str(folder.path.parent.absolute()), ".shared")


@contextlib.contextmanager
def mirrored(
    folder: StudyFolder,
    lock: StudyLock,
    display: Display,
    close_s: float = CLOSE_S,
    close_soon_s: float = CLOSE_SOON_S,
) -> Iterator[Mirror | None]:
    """Keep a study's object store up to date while the block runs; yields None for a study in a folder of this machine.

    What another driver left there is pulled first. The yielded mirror sends files from its `start` on, which the driver
    calls when it begins. At the end of the block the last results, and MLflow's, are waited for: `close_s` seconds when
    the study came to its end, `close_soon_s` when it was stopped, none when it was told to stop at once (a second
    Ctrl-C).
    """
    if not isinstance(lock, LeasedLock):
        yield None
        return
    # Another driver may have gone on since we looked.
    folder.pull(held=True, runs=True)
    mirror = Mirror(folder.path, lock.storage, lock)
    wait_s = close_soon_s
    try:
        yield mirror
        wait_s = close_s
    except (InterruptedStudyError, KeyboardInterrupt) as stop:
        if isinstance(stop, KeyboardInterrupt) or stop.at_once:
            wait_s = 0.0
        raise
    finally:
        try:
            mirror.close(wait_s)
        except MirrorError as error:
            display.warn(str(error))
