"""One driver's time with a study: it looks at all that can be refused, runs units, and lets go in good order."""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
import uuid
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from data.config import ConfigError
from model.pretrained import checkpoint_sha256, find_checkpoint
from model.training.recipe import Recipe
from sweep.board import Board, Configuration, unit_id
from sweep.budget import Budget
from sweep.config import StudyConfig, SyntheticConfig
from sweep.continuation import changes, evidence_changes
from sweep.events import Event, UnitEnded
from sweep.executor import concurrent_units, run_units, start_ray, stop_ray
from sweep.export import provenance_of
from sweep.folder import StudyFolder
from sweep.journal import Journal, read_journal
from sweep.leaderboard import failures, leaderboard
from sweep.lock import StudyLock
from sweep.progress import Progress
from sweep.pruning_optuna import EpochPruner
from sweep.racing import warning as racing_warning
from sweep.recordings import Material, Recordings, synthetic_directory
from sweep.search_optuna import OptunaSearch
from sweep.study import Rules, Study
from sweep.tracking import Tracking, TrackingError, database_uri
from sweep.unit import unit_config

CLOSE_S = 60.0
CLOSE_SOON_S = 5.0


class InterruptedStudyError(RuntimeError):
    """The study was stopped before it was over, and can be taken up again."""


class Session:
    """One driver's time with a study."""

    def __init__(
        self, config: StudyConfig, folder: StudyFolder, lock: StudyLock, address: str, console: Console
    ) -> None:
        """Everything that can be refused is looked at here, before the study's files are touched."""
        past = list(read_journal(folder.journal)) if folder.journal.exists() else []
        self._changes = changes(folder.config(), config, folder.name)
        first = config.space.recipe(config.enqueue[0] if config.enqueue else {})
        _warn_of_missing_weights(first)
        if (problem := racing_warning(config.racing, len(config.seeds))) is not None:
            warnings.warn(problem, stacklevel=2)
        self._recordings = Recordings(_directory(config, console))
        provenance = _provenance(folder, self._recordings.material(first), first)
        if folder.provenance_file.exists():
            self._changes += evidence_changes(folder.provenance(), provenance, folder.name)
        search = OptunaSearch(config, folder.name, folder.path / "optuna.journal")
        pruner = EpochPruner(
            config.pruner, lambda values: config.space.recipe(values).epochs, folder.name, past
        )
        start_ray(address)
        slots = concurrent_units(config.resources)
        self._tracking = _tracking(config, folder, provenance, past)
        self._config, self._folder, self._lock, self._address = config, folder, lock, address
        self._console = console
        self._last_sign = lock.last_sign()

        board = Board(events=past)
        budget = Budget(config.budget, config.racing, gpus=config.resources.gpu, slots=slots)
        rules = Rules(config.racing, config.schedule, config.objectives, config.resources.max_failures)
        self._progress = Progress(board, budget, console)
        listeners = [self._write, self._tracking, self._progress, self._remove_checkpoints]
        self._study = Study(board, search, pruner, budget, rules, listeners)
        folder.write_config(config)
        folder.write_provenance(provenance)
        lock.sign()
        self._journal = Journal(folder.journal)
        limits = ", ".join(str(use) for use in budget.uses(board, 0)) or "until it stops improving"
        console.print(
            f"study {folder.path}: {limits}; {slots} units at a time"
            + "".join(f"\n  changed: {line}" for line in self._changes),
            highlight=False,
            markup=False,
        )

    def run(self) -> None:
        """Run units until the study is over, and say how it ended."""
        study, folder = self._study, self._folder
        close_s = CLOSE_S
        try:
            with self._progress, self._halting_on_signals():
                study.start(self._config.seeds, self._changes, self._last_sign)
                self._remove_leftovers()
                run_units(study, self._config.resources, self._unit_config, folder.path, self._tick)
        except KeyboardInterrupt:
            study.halt("interrupted")
            close_s = 0.0
        except Exception as error:
            # What halted the study, a full disk say, comes back from the depths of Ray Tune in its own words.
            if study.halted is None:
                study.halt(f"{type(error).__name__} in the driver")
                raise
        finally:
            reason = self._let_go(close_s)
        if study.interrupted:
            raise InterruptedStudyError(
                f"{folder.path}: {reason} after {len(study.board.ranking())} complete configurations; "
                f"go on with: {self._resume_command()}"
            )
        table = leaderboard(study.board, rows=20, objectives=self._config.objectives)
        self._console.print(table, *failures(study.board), sep="\n", markup=False)
        if reason != "over":
            self._console.print(
                f"{reason}; with more: {self._resume_command()} --set budget=...", markup=False
            )

    def _let_go(self, close_s: float) -> str:
        study = self._study
        if study.interrupted:
            close_s = min(close_s, CLOSE_SOON_S)
        reason = study.halted or ""
        with contextlib.suppress(OSError):
            reason = study.stop()
        stop_ray()
        shutil.rmtree(self._folder.path / "tune", ignore_errors=True)
        with contextlib.suppress(OSError):
            self._journal.close()
        try:
            self._tracking.close(close_s)
        except TrackingError as error:
            self._console.print(f"warning: {error}", markup=False)
        return reason

    def _unit_config(self, configuration: Configuration, seed: int) -> dict[str, Any]:
        recipe = _with_absolute_weights(self._config.space.recipe(configuration.values))
        material = self._recordings.material(recipe)
        units = self._folder.units.absolute()
        whole = not configuration.units[seed].out_of_memory
        resources = self._config.resources
        return unit_config(
            configuration.number, seed, recipe, material, units, resources, whole_batches=whole
        )

    def _tick(self) -> None:
        self._study.keep_to_budget()
        self._lock.beat()
        self._progress.tick()

    def _write(self, event: Event) -> None:
        try:
            self._journal.write(event)
        except OSError as error:
            self._study.halt(f"{error.strerror}: {self._folder.journal}")
            raise

    def _remove_checkpoints(self, event: Event) -> None:
        """Free the disk of a unit that is over: `best.yaml` trains again, weights of losers do not matter."""
        if isinstance(event, UnitEnded):
            unit = self._folder.units / unit_id(event.configuration, event.seed)
            shutil.rmtree(unit, ignore_errors=True)

    def _remove_leftovers(self) -> None:
        """The same for those that were over when an earlier driver died before it came to it."""
        for unit in self._study.board.units():
            if unit.over:
                shutil.rmtree(self._folder.units / unit.id, ignore_errors=True)

    @contextlib.contextmanager
    def _halting_on_signals(self) -> Iterator[None]:
        """Ctrl-C, or a termination by the machine's scheduler, halts the study; a second one ends it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def heard(number: int, frame: object) -> None:
            if self._study.halted is not None:
                raise KeyboardInterrupt
            self._study.halt("interrupted")
            self._console.print("stopping: what was reported is kept; once more stops at once", markup=False)

        before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _resume_command(self) -> str:
        command = f"respsweep run --resume {self._folder.name}"
        if self._folder.path.parent != Path("studies"):
            command += f" --studies {self._folder.path.parent}"
        return command if self._address == "local" else f"{command} --address {self._address}"


def _directory(config: StudyConfig, console: Console) -> Path:
    if config.data is None:
        raise ConfigError("no recordings: give --data DIR, or `data:` in the study file")
    if isinstance(config.data, SyntheticConfig):
        console.print(f"synthetic breaths of {config.data.patients} patients (seed {config.data.seed})")
        return synthetic_directory(config.data)
    return Path(config.data)


def weights_hash(recipe: Recipe) -> str | None:
    """SHA-256 of the weights that a recipe starts from, hex; None when they are random."""
    source = recipe.backbone.pretrained
    return None if source is None else checkpoint_sha256(find_checkpoint(source))


def _with_absolute_weights(recipe: Recipe) -> Recipe:
    """The recipe with its weights named by an absolute path: a worker starts in another folder."""
    if recipe.backbone.pretrained is None:
        return recipe
    path = find_checkpoint(recipe.backbone.pretrained).absolute()
    backbone = recipe.backbone.model_copy(update={"pretrained": str(path)})
    return recipe.model_copy(update={"backbone": backbone})


def _provenance(folder: StudyFolder, material: Material, recipe: Recipe) -> dict[str, Any]:
    known = folder.provenance() if folder.provenance_file.exists() else {}
    made = provenance_of(material.data_hash, material.fold_hash, weights_hash(recipe))
    return {"study_id": known.get("study_id", uuid.uuid4().hex), **made}


def _tracking(
    config: StudyConfig, folder: StudyFolder, provenance: dict[str, Any], past: Sequence[Event]
) -> Tracking:
    uri, artifacts = config.tracking_uri, None
    if uri is None:
        uri, artifacts = database_uri(folder.path), folder.artifacts.absolute()
    tags = {f"respsweep.{key}": str(provenance[key]) for key in ("data_hash", "fold_hash", "commit")}
    return Tracking(uri, folder.name, artifacts, provenance["study_id"], past, tags)


def _warn_of_missing_weights(recipe: Recipe) -> None:
    backbone = recipe.backbone
    if backbone.pretrained is None and backbone.variant != "tiny":
        warnings.warn(
            f"{backbone.name} {backbone.variant} starts from random weights; published scores start from AudioSet's "
            "(backbone.pretrained)",
            stacklevel=2,
        )
