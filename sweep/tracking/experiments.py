"""Which experiment of MLflow has a study's runs: that of its name, or of an earlier one."""

from __future__ import annotations

from collections.abc import Sequence

import sweep.tracking.client_limits  # noqa: F401  MLflow reads them when it is imported

# isort: split
from mlflow import MlflowClient
from mlflow.entities import Experiment

from sweep.tracking.messages import STUDY


def find_experiment(uri: str, name: str, study_id: str | None = None) -> str | None:
    """Find the id of the experiment of a study in MLflow at `uri`, a server or a database; None when there is none.

    With `study_id` the one that has its runs, which of a study that was renamed is called as it was before.
    """
    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(name)
    if study_id is None:
        return None if found is None else found.experiment_id
    if found is not None and has_runs_of(client, found, study_id):
        return found.experiment_id
    other = experiment_with_runs_of(client, study_id)
    return None if other is None else other.experiment_id


def experiment_with_runs_of(client: MlflowClient, study_id: str) -> Experiment | None:
    """Find the experiment with the runs of a study, whatever it is called; None when there is none."""
    token = None
    while True:
        page = client.search_experiments(page_token=token)
        if (holder := _holder(client, page, study_id)) is not None:
            return client.get_experiment(holder)
        token = page.token
        if not token:
            return None


def has_runs_of(client: MlflowClient, experiment: Experiment, study_id: str) -> bool:
    """Whether an experiment has runs of a study."""
    return _holder(client, [experiment], study_id) is not None


def _holder(client: MlflowClient, experiments: Sequence[Experiment], study_id: str) -> str | None:
    """Find the id of the one of some experiments that has runs of a study."""
    ids = [experiment.experiment_id for experiment in experiments]
    runs = client.search_runs(ids, f"tags.`{STUDY}` = '{study_id}'", max_results=1)
    return runs[0].info.experiment_id if runs else None
