"""MLflow's runs of a study on the server: a run for each configuration, and below it a run for each unit."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Param, Run, RunTag, ViewType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from sweep.tracking.experiments import experiment_with_runs_of
from sweep.tracking.messages import STUDY
from sweep.tracking.one_transaction import one_transaction
from sweep.tracking.run_updates import RunUpdate

log = logging.getLogger(__name__)

PAGE = 500
KEY = "respsweep.key"
OVER = ("FINISHED", "FAILED", "KILLED")


@dataclass
class _Run:
    """What the server has of a run."""

    id: str
    status: str
    ended: int | None = None
    deleted: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of a run that an earlier driver left."""


class Runs:
    """The runs of a study on the server, by name.

    Every request may be repeated when no answer came: a run is found by its key, and MLflow keeps a value once that is
    written twice.
    """

    def __init__(self, client: MlflowClient, experiment: str, study_id: str, tags: Mapping[str, str]) -> None:
        self._client = client
        self._experiment = experiment
        self._study_id = study_id
        self._tags = dict(tags)
        self._runs: dict[str, _Run] = {}
        self._attempts: Counter[str] = Counter()

    @property
    def client(self) -> MlflowClient:
        """What speaks to the server."""
        return self._client

    def tag_experiment(self, tag: str, value: str) -> None:
        """Give the experiment a tag."""
        self._client.set_experiment_tag(self._experiment, tag, value)

    def recall(self, name: str | None = None) -> None:
        """Learn what the server has of all runs, or of the run `name`; of runs with the same key keep the best alone."""
        tag, value = (STUDY, self._study_id) if name is None else (KEY, self._key(name))
        found: dict[str, list[Run]] = {}
        for run in self._search(f"tags.`{tag}` = '{value}'"):
            found.setdefault(run.data.tags[KEY].removeprefix(self._key("")), []).append(run)
        for key, runs in found.items():
            run, *doubles = sorted(runs, key=partial(self._worth, self._runs.get(key)), reverse=True)
            for double in doubles:
                if _active(double):
                    self._client.delete_run(double.info.run_id)
            info = run.info
            self._runs[key] = _Run(info.run_id, info.status, info.end_time, not _active(run), run.data.tags)

    def look_elsewhere(self) -> None:
        """Turn to the experiment that has the runs of the study, if there are none in the one of its name.

        So it is of a study that was renamed, where the new name is that of somebody else's experiment.
        """
        if self._runs:
            return
        former = experiment_with_runs_of(self._client, self._study_id)
        if former is not None:
            self._experiment = former.experiment_id
            self.recall()

    def shows(self, update: RunUpdate) -> bool:
        """Whether the server has all of an update: its run is over and there to its end, or somebody deleted it.

        What was told of a configuration after its end is known by its tags.
        """
        run = self._runs.get(update.name)
        if run is None or update.status not in OVER:
            return False
        return run.deleted or (
            (run.status, run.ended) == (update.status, update.changed)
            and update.tags.items() <= run.tags.items()
        )

    def write_together(self, updates: Iterable[RunUpdate]) -> bool:
        """Bring runs up to date in one transaction, where MLflow is a database of this machine.

        False when that cannot be done, or went wrong: then nothing is written, and `write` says what is wrong.
        """
        updates = tuple(updates)
        before = {one.name: replace(self._runs[one.name]) for one in updates if one.name in self._runs}
        try:
            with one_transaction(self._client):
                for update in updates:
                    self.write(update)
        except Exception as error:
            log.debug("not written together: %s", error)
            for update in updates:
                self._runs.pop(update.name, None)
            self._runs |= before
            return False
        return True

    def write(self, update: RunUpdate) -> None:
        """Bring a run on the server up to date, and create it if need be."""
        known = update.name in self._runs
        run = self._find_or_create(update)
        # A run is created with its tags.
        tags = [RunTag(key, value) for key, value in update.tags.items() if known]
        params = [Param(key, value) for key, value in update.params.items()]
        if tags or params or update.metrics:
            self._client.log_batch(run.id, metrics=update.metrics, params=params, tags=tags)
        # The end is written last, so that `shows` can rely on it.
        if update.status in OVER:
            self._client.set_terminated(run.id, update.status, update.changed)
            run.ended = update.changed
        elif update.status != run.status:
            self._client.update_run(run.id, update.status)
        run.status = update.status

    def all(self) -> dict[str, Run]:
        """Find all runs of the study that nobody deleted, by name, as the server has them now."""
        found = self._search(f"tags.`{STUDY}` = '{self._study_id}'")
        return {run.data.tags[KEY].removeprefix(self._key("")): run for run in found if _active(run)}

    def settle(self) -> None:
        """Delete doubles of runs: a server that hung may have created a run after it was asked a second time."""
        if any(attempts > 1 for attempts in self._attempts.values()):
            self.recall()

    def _key(self, name: str) -> str:
        return f"{self._study_id}/{name}"

    def _search(self, condition: str) -> list[Run]:
        runs: list[Run] = []
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], condition, ViewType.ALL, max_results=PAGE, page_token=token
            )
            runs += page
            token = page.token
            if not token:
                return runs

    @staticmethod
    def _worth(known: _Run | None, run: Run) -> tuple[bool, bool, int]:
        """Make a sort key of a run: of runs for one unit or configuration the fullest is kept."""
        return _active(run), known is not None and run.info.run_id == known.id, len(run.data.params)

    def _find_or_create(self, update: RunUpdate) -> _Run:
        name = update.name
        if name not in self._runs and self._attempts[name]:
            # An attempt got no answer, which does not say that it created no run.
            self.recall(name)
        if name not in self._runs:
            self._attempts[name] += 1
            self._runs[name] = self._create(update)
        return self._runs[name]

    def _create(self, update: RunUpdate) -> _Run:
        tags = {
            **self._tags,
            **update.tags,
            MLFLOW_RUN_NAME: update.name,
            STUDY: self._study_id,
            KEY: self._key(update.name),
        }
        if update.parent in self._runs:
            tags[MLFLOW_PARENT_RUN_ID] = self._runs[update.parent].id
        info = self._client.create_run(self._experiment, update.since, tags, update.name).info
        return _Run(info.run_id, info.status)


def _active(run: Run) -> bool:
    return run.info.lifecycle_stage == LifecycleStage.ACTIVE
