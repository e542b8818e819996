"""One driver's time with a study: it looks at all that can be refused, runs units, and lets go in good order."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.errors import UserError
from data.settings import ConfigError
from model.training.recipe import Recipe
from sweep.config.resumption import changes, evidence_changes
from sweep.config.study_config import StudyConfig, SyntheticConfig
from sweep.driver.display import Display
from sweep.driver.export import provenance_of
from sweep.driver.progress import Progress
from sweep.driver.signals import halting_on_signals
from sweep.execution.slots import Slots
from sweep.execution.tuner import await_slots, run_units, start_ray, stop_ray
from sweep.folder.lock import StudyLock
from sweep.folder.mirror import Mirror
from sweep.folder.study_folder import StudyFolder
from sweep.report.leaderboard import failures, leaderboard
from sweep.search.epoch_pruner import EpochPruner
from sweep.search.optuna_export import OptunaExport
from sweep.search.optuna_search import OptunaSearch
from sweep.storage.open_storage import below
from sweep.study.budget import Budget
from sweep.study.coordinator import Coordinator, Rules
from sweep.study.events import Event, UnitEnded
from sweep.study.journal import Journal
from sweep.study.units import Configuration, unit_id
from sweep.tracking.tracker import Tracker, TrackingError, database_uri
from sweep.worker.prepared_data import DataPreparation, PreparedData, synthetic_directory
from sweep.worker.trainable import unit_config
from sweep.worker.weights import Weights, share_weights, weights_of

log = logging.getLogger(__name__)
CLOSE_S = 60.0
CLOSE_SOON_S = 5.0


class InterruptedStudyError(UserError):
    """The study was stopped before it was over, and can be taken up again; `at_once`: nothing more is waited for."""

    def __init__(self, message: str, *, at_once: bool = False) -> None:
        super().__init__(message)
        self.at_once = at_once


class Driver:
    """One driver's time with a study."""

    def __init__(
        self,
        config: StudyConfig,
        folder: StudyFolder,
        lock: StudyLock,
        address: str,
        display: Display,
        mirror: Mirror | None = None,
    ) -> None:
        """Everything that can be refused is looked at here, before the study's files are touched."""
        past = folder.events()
        board = folder.board(past)
        self._changes = changes(folder.config(), config, folder.name)
        first = _any_recipe(config)
        _warn_of_missing_weights(first)
        self._shared = _shared_place(folder, address)
        self._preparation = DataPreparation(_directory(config, display))
        provenance = _provenance(folder, self._preparation.prepare(first), first)
        if folder.provenance_file.exists():
            self._changes += evidence_changes(folder.provenance(), provenance, folder.name)
        search = OptunaSearch(config)
        pruner = EpochPruner(
            config.pruner, lambda values: config.space.recipe(values).epochs, folder.name, past
        )
        start_ray(address)
        self._slots = slots = await_slots(config.resources, address, display.say)
        if self._shared is not None:
            self._preparation.share(self._shared)
        self._tracking = _tracking(config, folder, provenance, past)
        if self._tracking.away is not None:
            warnings.warn(f"{self._tracking.away}; what it lacks is sent when it is back", stacklevel=2)
        self._config, self._folder, self._lock, self._address = config, folder, lock, address
        self._display = display
        self._waits_for_nodes = False
        self._mirror = mirror
        self._shared_weights: dict[Weights, Weights] = {}
        self._removed: set[str] = set()
        self._last_sign = lock.last_sign()

        self._journal = Journal(folder.journal)
        self._budget = budget = Budget(
            config.budget, config.racing, gpus=config.resources.gpu, slots=max(1, slots.here)
        )
        resources = config.resources
        rules = Rules(
            config.racing, config.schedule, config.objectives, resources.max_failures, resources.gpu
        )
        self._progress = Progress(board, budget, display)
        export = OptunaExport(folder.path / "optuna.journal", folder.name, config, board)
        listeners = [self._journal.write, self._tracking, self._progress, self._remove_checkpoints, export]
        self._study = Coordinator(board, search, pruner, budget, rules, listeners)
        folder.write_provenance(provenance)
        limits = ", ".join(str(use) for use in budget.uses(board, 0)) or "until it stops improving"
        display.say(
            f"study {folder.place}: {limits}; {_at_a_time(slots)}"
            + "".join(f"\n  changed: {line}" for line in self._changes)
        )

    def run(self) -> None:
        """Run units until the study is over, and say how it ended."""
        study, folder = self._study, self._folder
        close_s = CLOSE_S
        try:
            with self._progress, halting_on_signals(study, self._display):
                study.start(self._config.seeds, self._changes, self._last_sign)
                # Only now: if this start fails, the next one must find what the last driver left.
                self._lock.sign()
                folder.write_config(self._config)
                if self._mirror is not None:
                    self._mirror.start()
                self._remove_leftovers()
                resources = self._config.resources
                run_units(study, resources, self._unit_config, folder.path, self._tick, slots=self._slots)
        except KeyboardInterrupt:
            study.halt("interrupted")
            close_s = 0.0
        except Exception as error:
            # What halted the study, a full disk say, comes back from the depths of Ray Tune in its own words.
            if study.halted is None:
                study.halt(f"{type(error).__name__} in the driver")
                raise
            log.debug("after the study was halted: %s", error, exc_info=True)
        finally:
            reason = self._let_go(close_s)
        if study.interrupted:
            raise InterruptedStudyError(
                f"{folder.place}: {reason} after {len(study.board.ranking())} complete configurations; "
                f"go on with: {self._resume_command()}",
                at_once=close_s == 0.0,
            )
        table = leaderboard(study.board, rows=20, objectives=self._config.objectives)
        self._display.show(table, *failures(study.board))
        used = ", ".join(str(use) for use in self._budget.uses(study.board, time.time()))
        self._display.say(
            f"{reason} ({used or 'no longer improving'}); for more, raise the limit: "
            f"{self._resume_command()} --set budget.LIMIT=VALUE"
        )

    def _let_go(self, close_s: float) -> str:
        study = self._study
        if study.interrupted:
            close_s = min(close_s, CLOSE_SOON_S)
        reason = study.halted or ""
        with contextlib.suppress(OSError):
            reason = study.stop()
        stop_ray()
        # A worker may have saved while its unit was stopped.
        for unit in tuple(self._removed):
            self._remove_checkpoint(unit)
        shutil.rmtree(self._folder.path / "tune", ignore_errors=True)
        with contextlib.suppress(OSError):
            self._journal.close()
        try:
            self._tracking.close(close_s)
        except TrackingError as error:
            self._display.warn(str(error))
        return reason

    def _unit_config(self, configuration: Configuration, seed: int) -> dict[str, Any]:
        recipe = self._config.space.recipe(configuration.values)
        return unit_config(
            configuration.number,
            seed,
            recipe,
            self._preparation.prepare(recipe),
            self._folder.checkpoints,
            self._config.resources,
            weights=self._weights(recipe),
            whole_batches=not configuration.units[seed].out_of_memory,
        )

    def _tick(self) -> None:
        here = self._slots.here
        if here == 0 and not self._waits_for_nodes:
            self._display.say("no node is there that can take a unit; waiting for one")
        self._waits_for_nodes = here == 0
        self._budget.slots = max(1, here)
        self._study.keep_to_budget()
        self._lock.beat()
        if (holder := self._lock.taken_by) is not None and self._study.halted is None:
            self._study.halt(f"taken over by {holder}")
        self._progress.tick()

    def _remove_checkpoints(self, event: Event) -> None:
        """Free the disk of a unit that is over: `best.yaml` trains again, weights of losers do not matter."""
        if isinstance(event, UnitEnded):
            self._remove_checkpoint(unit_id(event.configuration, event.seed))

    def _remove_leftovers(self) -> None:
        """The same for those that were over when an earlier driver died before it came to it."""
        for unit in self._study.board.units():
            if unit.over:
                self._remove_checkpoint(unit.id)

    def _remove_checkpoint(self, unit: str) -> None:
        self._removed.add(unit)
        if self._mirror is not None:
            self._mirror.remove_checkpoints(unit)
        else:
            shutil.rmtree(self._folder.units / unit, ignore_errors=True)

    def _weights(self, recipe: Recipe) -> Weights | None:
        weights = weights_of(recipe)
        if weights is None or self._shared is None:
            return weights
        if weights not in self._shared_weights:
            self._shared_weights[weights] = share_weights(weights, self._shared)
        return self._shared_weights[weights]

    def _resume_command(self) -> str:
        command = f"respsweep run --resume {self._folder.arguments}"
        return command if self._address == "local" else f"{command} --address {self._address}"


def _at_a_time(slots: Slots) -> str:
    more = f", up to {slots()} as nodes come" if slots() > slots.here else ""
    return f"{slots.here} units at a time{more}"


def _any_recipe(config: StudyConfig) -> Recipe:
    """One that shows on what the study rests: the fixed settings, or where these are no recipe, a known point."""
    try:
        return config.space.recipe({})
    except ConfigError:
        if not config.enqueue:
            raise
        return config.space.recipe(config.enqueue[0])


def _directory(config: StudyConfig, display: Display) -> Path:
    if config.data is None:
        raise ConfigError("no recordings: give --data DIR, or `data:` in the study file")
    if isinstance(config.data, SyntheticConfig):
        display.say(f"synthetic breaths of {config.data.patients} patients (seed {config.data.seed})")
        return synthetic_directory(config.data)
    return Path(config.data)


def weights_hash(recipe: Recipe) -> str | None:
    """SHA-256 of the weights that a recipe starts from, hex; None when they are random."""
    weights = weights_of(recipe)
    return None if weights is None else weights.sha256


def _shared_place(folder: StudyFolder, address: str) -> str | None:
    """Where features and weights are put for machines that do not see this one's; None when no other takes part."""
    if folder.uri is None and address == "local":
        return None
    return below(folder.studies if folder.uri else str(folder.path.parent.absolute()), ".shared")


def _provenance(folder: StudyFolder, material: PreparedData, recipe: Recipe) -> dict[str, Any]:
    known = folder.provenance() if folder.provenance_file.exists() else {}
    made = provenance_of(material.data_hash, material.fold_hash, weights_hash(recipe))
    return {"study_id": known.get("study_id", uuid.uuid4().hex), **made}


def _tracking(
    config: StudyConfig, folder: StudyFolder, provenance: dict[str, Any], past: Sequence[Event]
) -> Tracker:
    uri, artifacts = config.tracking_uri, None
    if uri is None:
        uri, artifacts = database_uri(folder.path), folder.artifacts.absolute()
    tags = {f"respsweep.{key}": str(provenance[key]) for key in ("data_hash", "fold_hash", "commit")}
    return Tracker(uri, folder.name, artifacts, provenance["study_id"], past, tags)


def _warn_of_missing_weights(recipe: Recipe) -> None:
    backbone = recipe.backbone
    if backbone.pretrained is None and backbone.variant != "tiny":
        warnings.warn(
            f"{backbone.name} {backbone.variant} starts from random weights; published scores start from AudioSet's "
            "(backbone.pretrained)",
            stacklevel=2,
        )
