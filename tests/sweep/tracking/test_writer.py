"""What MLflow shows of a study, and that the study never waits for it; on a real database."""

import contextlib
import shutil
import socket
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sweep.study.events import ConfigurationAdded, EpochReported, Event, UnitStarted
from sweep.study.units import unit_id
from sweep.tracking.experiments import find_experiment
from sweep.tracking.messages import Files, Shown, Target, TrackingError
from sweep.tracking.shared_view import TAG, shared_view
from sweep.tracking.tracker import database_uri
from sweep.tracking.writer import Writer
from tests.disks import disk_of
from tests.sweep.histories import timed
from tests.sweep.tracking.tracked import (
    STARTED,
    STUDY,
    curve_of,
    epoch,
    follow,
    runs_of,
    trained,
    wait_for_trouble,
    writer,
)


def test_a_study_is_an_experiment_with_a_run_for_each_configuration_and_unit(
    database: str, tmp_path: Path
) -> None:
    tracking = Writer(
        Target(database, "whole", tmp_path / "artifacts", "whole", (), {"respsweep.data_hash": "abc"})
    )
    for event in STUDY:
        tracking(event)
    tracking.close()
    runs = runs_of(database, "whole")
    units = [unit_id(0, 1), unit_id(0, 2), unit_id(1, 1), unit_id(2, 1)]
    assert set(runs) == {"configuration 0", "configuration 1", "configuration 2", *units}
    assert {run.data.tags["respsweep.data_hash"] for run in runs.values()} == {"abc"}
    experiment = MlflowClient(database).get_experiment_by_name("whole")
    assert experiment is not None
    assert experiment.artifact_location == (tmp_path / "artifacts").as_uri()

    best = runs["configuration 0"]
    assert best.data.params == {"patch_mix.temperature": "0.2", "smoothing.stage": "None"}
    assert best.data.metrics["score_mean"] == pytest.approx(0.6)
    assert best.data.metrics["score_sd"] == pytest.approx(0.02**0.5)
    assert [name for name in best.data.metrics if "ci95" in name] == []  # of two seeds
    assert best.data.metrics["sensitivity_mean"] == pytest.approx(0.2)
    assert best.data.metrics["specificity_mean"] == pytest.approx(0.8)
    assert best.data.metrics["seeds"] == 2
    assert curve_of(database, best, "score_mean") == [(1, 0.5), (2, 0.6)]

    unit = runs[unit_id(0, 2)]
    assert unit.data.tags["mlflow.parentRunId"] == best.info.run_id
    assert unit.data.params["seed"] == "2"
    assert unit.data.params["patch_mix.temperature"] == "0.2"
    assert curve_of(database, unit, "score") == [(1, 0.4), (2, 0.5), (3, 0.6), (4, 0.7)]
    assert curve_of(database, unit, "train_loss") == [(1, 1.6), (2, 1.5), (3, 1.4), (4, 1.3)]
    assert unit.data.tags["respsweep.selected_epoch"] == "4"

    statuses = {name: run.info.status for name, run in runs.items()}
    assert {statuses["configuration 0"], statuses[unit_id(0, 1)], statuses[unit_id(0, 2)]} == {"FINISHED"}
    assert (statuses["configuration 1"], statuses[unit_id(1, 1)]) == ("FINISHED", "KILLED")
    assert runs["configuration 1"].data.metrics["score_mean"] == pytest.approx(0.3)
    states = [runs[f"configuration {number}"].data.tags["respsweep.state"] for number in range(3)]
    assert states == ["complete", "pruned", "failed"]
    assert statuses["configuration 2"] == statuses[unit_id(2, 1)] == "FAILED"
    assert runs["configuration 2"].data.tags["respsweep.reason"] == "TrainingError: the loss is NaN"


def test_the_experiment_says_what_it_is_and_keeps_a_view_and_the_best_run_files(
    database: str, tmp_path: Path
) -> None:
    (tmp_path / "best.yaml").write_text("recipe: {}")
    shown = Shown("score", ("smoothing.stage",), {"epochs": "4"}, "Study **viewed**")
    tracking = Writer(Target(database, "viewed", tmp_path / "artifacts", "viewed", (), {}, shown))
    for event in STUDY:
        tracking(event)
    tables = {"curves.csv": "seed,epoch\n1,1\n"}
    tracking.keep_files(Files("configuration 0", (str(tmp_path / "best.yaml"),), "- No. 0 is best.", tables))
    tracking.close()
    experiment = MlflowClient(database).get_experiment_by_name("viewed")
    assert experiment is not None
    assert experiment.tags["mlflow.note.content"] == "Study **viewed**\n\n- No. 0 is best."
    assert experiment.tags[TAG] == shared_view("score", ("smoothing.stage",))
    run = runs_of(database, "viewed")["configuration 0"]
    assert run.data.params["epochs"] == "4"
    files = MlflowClient(database).list_artifacts(run.info.run_id)
    assert [file.path for file in files] == ["best.yaml", "curves.csv"]
    kept = Path(MlflowClient(database).download_artifacts(run.info.run_id, "curves.csv", str(tmp_path)))
    assert kept.read_text() == tables["curves.csv"]


def test_files_that_are_gone_are_missing_in_mlflow(database: str, tmp_path: Path) -> None:
    tracking = Writer(Target(database, "gone", tmp_path / "artifacts", "gone", tuple(STUDY), {}))
    tracking.keep_files(Files("configuration 0", (str(tmp_path / "gone.html"),)))
    with pytest.raises(TrackingError, match=r"MLflow misses some results \(No such file or directory\)"):
        tracking.close()


def test_two_studies_of_one_name_share_an_experiment_but_no_run(database: str) -> None:
    for study_id in ("one", "two"):
        for past in ((), tuple(STUDY)):
            Writer(Target(database, "shared", None, study_id, past, {})).close()
    client = MlflowClient(database)
    experiment = client.get_experiment_by_name("shared")
    assert experiment is not None
    for study_id in ("one", "two"):
        found = client.search_runs([experiment.experiment_id], f"tags.`respsweep.study` = '{study_id}'")
        assert len(found) == 7
        ids = {run.info.run_id for run in found}
        assert {run.data.tags.get("mlflow.parentRunId") for run in found} <= {*ids, None}


def test_many_events_are_few_requests(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    all_queued = threading.Event()
    log_batch = MlflowClient.log_batch

    def counted(self: MlflowClient, run_id: str, *args: object, **kwargs: object) -> object:
        assert all_queued.wait(60)
        calls.append(run_id)
        return log_batch(self, run_id, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(MlflowClient, "log_batch", counted)
    tracking = writer(database, "many")
    started: list[Event] = [STARTED, ConfigurationAdded(0, {"patch_mix.beta": 0.5}), UnitStarted(0, 1)]
    for event in timed(*started, *(EpochReported(0, 1, epoch(number, 0.5)) for number in range(1, 301))):
        tracking(event)
    all_queued.set()
    tracking.close()
    # At most: what was written while the events came, and the rest; each for two runs.
    assert len(calls) <= 4
    run = runs_of(database, "many")[unit_id(0, 1)]
    assert len(curve_of(database, run, "score")) == 300
    assert len(curve_of(database, run, "seconds")) == 300


def test_the_study_does_not_wait_for_mlflow(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()
    log_batch = MlflowClient.log_batch

    def hangs(self: MlflowClient, run_id: str, *args: object, **kwargs: object) -> object:
        assert answer.wait(60)
        return log_batch(self, run_id, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(MlflowClient, "log_batch", hangs)
    tracking = writer(database, "hangs")
    for event in STUDY:
        tracking(event)
    # All events were taken while not one could be written.
    answer.set()
    tracking.close()
    assert runs_of(database, "hangs")["configuration 0"].info.status == "FINISHED"


def test_neither_the_start_nor_the_end_waits_for_a_server_that_hangs(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer, answered = threading.Event(), threading.Event(), threading.Event()

    def hangs(*_: object, **__: object) -> None:
        asked.set()
        assert answer.wait(60)
        answered.set()

    # A study that was renamed asks for runs at once, to find its experiment.
    MlflowClient(database).create_experiment("hung")
    monkeypatch.setattr(MlflowClient, "search_runs", hangs)
    tracking = writer(database, "hung", STUDY)
    assert tracking.away is None
    assert asked.wait(60)
    with pytest.raises(TrackingError, match=r"MLflow misses some results \(no answer\)"):
        tracking.close(timeout_s=0)
    assert not answered.is_set()
    answer.set()


def test_a_run_that_somebody_deleted_keeps_back_no_other(database: str) -> None:
    tracking = writer(database, "deleted")
    first, *rest = trained(0, 1, 0.5)
    for event in (STARTED, ConfigurationAdded(0, {"patch_mix.beta": 0.5}), first):
        tracking(event)
    client = MlflowClient(database)
    experiment = client.get_experiment_by_name("deleted")
    assert experiment is not None
    while len(client.search_runs([experiment.experiment_id])) < 2:
        time.sleep(0.05)
    client.delete_run(runs_of(database, "deleted")["configuration 0"].info.run_id)
    for event in timed(*rest, ConfigurationAdded(1, {"patch_mix.beta": 1.0}), *trained(1, 1, 0.6)):
        tracking(event)
    with pytest.raises(
        TrackingError, match=r"MLflow misses some results \(.*; the study folder has them all"
    ):
        tracking.close()
    runs = runs_of(database, "deleted")
    assert set(runs) == {unit_id(0, 1), "configuration 1", unit_id(1, 1)}
    assert runs["configuration 1"].data.metrics["score_mean"] == pytest.approx(0.6)


def test_events_that_cannot_be_are_reported_at_the_end(database: str) -> None:
    tracking = writer(database, "impossible")
    tracking(UnitStarted(5, 1))
    with pytest.raises(TrackingError, match="there is no configuration 5"):
        tracking.close()


def test_what_a_broken_database_refuses_is_one_line_at_the_end(
    tmp_path: Path, empty_tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(empty_tables, tmp_path)
    tracking = writer(database_uri(tmp_path), "broken")
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as file:
        file.execute("ALTER TABLE runs RENAME TO elsewhere")
    for event in STUDY[:3]:
        tracking(event)
    wait_for_trouble(tracking)
    with pytest.raises(TrackingError, match=r"MLflow misses some results \(.*no such table: runs"):
        tracking.close(timeout_s=0)
    assert capsys.readouterr() == ("", "")


def test_a_full_disk_is_one_line_at_the_end_however_often_it_was_met(
    tmp_path: Path, empty_tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(empty_tables, tmp_path)
    tracking = writer(database_uri(tmp_path), "full")
    with disk_of(0):
        for event in STUDY:
            tracking(event)
        wait_for_trouble(tracking, "disk")
        # Long enough to ask again several times.
        time.sleep(0.5)
        with pytest.raises(TrackingError, match=r"^MLflow misses some results \(disk I/O error\); .*$"):
            tracking.close(0.2)
    assert capsys.readouterr() == ("", "")
    follow(database_uri(tmp_path), "full", STUDY, [])
    assert len(runs_of(database_uri(tmp_path), "full")) == 7


def test_a_deleted_experiment_is_refused_with_the_command_that_restores_it(database: str) -> None:
    client = MlflowClient(database)
    follow(database, "gone", [], STUDY)
    found = client.get_experiment_by_name("gone")
    assert found is not None
    client.delete_experiment(found.experiment_id)
    with pytest.raises(TrackingError) as refusal:
        writer(database, "gone", STUDY)
    command = (
        f"`MLFLOW_TRACKING_URI={database} mlflow experiments restore --experiment-id {found.experiment_id}`"
    )
    assert str(refusal.value) == (
        f"the MLflow experiment gone was deleted; restore it, {command}, or begin a study of another name"
    )
    client.restore_experiment(found.experiment_id)
    follow(database, "gone", STUDY, [])
    assert len(runs_of(database, "gone")) == 7


@pytest.mark.parametrize("own", [True, False])
def test_a_renamed_study_goes_on_with_the_runs_it_has(database: str, tmp_path: Path, own: bool) -> None:
    before, after = f"before-{own}", f"after-{own}"
    follow(database, "another", [], STUDY)
    follow(database, before, [], STUDY)
    renamed = Target(database, after, tmp_path / "artifacts" if own else None, before, tuple(STUDY), {})
    Writer(renamed).close()
    names = {experiment.name for experiment in MlflowClient(database).search_experiments()}
    assert names & {before, after} == {after if own else before}
    assert len(runs_of(database, after if own else before)) == 7
    found = MlflowClient(database).get_experiment_by_name(after if own else before)
    assert found is not None
    # Also where the new name is that of another study's experiment.
    assert find_experiment(database, after, before) == found.experiment_id
    assert find_experiment(database, "another", before) == found.experiment_id
    assert find_experiment(database, after, "nobody") is None


def test_a_renamed_study_whose_new_name_is_a_strangers_goes_on_with_the_runs_it_has(
    database: str, tmp_path: Path
) -> None:
    follow(database, "once mine", [], STUDY)
    MlflowClient(database).create_experiment("a stranger's")
    Writer(Target(database, "a stranger's", None, "once mine", tuple(STUDY), {})).close()
    assert runs_of(database, "a stranger's") == {}
    assert len(runs_of(database, "once mine")) == 7


def test_a_server_that_is_not_there_is_refused_at_once_in_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(TrackingError) as refusal:
        writer(uri, "study")
    assert str(refusal.value) == (
        f"tracking server {uri}: no answer (Connection refused); start it, name another one with --tracking-uri, "
        "or keep the runs in the study folder: --set tracking_uri=null"
    )


@pytest.mark.parametrize("uri", ["http://", "ftp://example", "nonsense://here"])
def test_an_address_that_is_none_is_refused_in_one_line(uri: str) -> None:
    with pytest.raises(TrackingError, match=f"tracking server {uri}: ") as refusal:
        writer(uri, "study")
    assert "\n" not in str(refusal.value)
