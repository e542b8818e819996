"""What the commands say of a study that is over, and make of it."""

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from data.synthetic import write_breaths
from sweep.study.board import Board
from sweep.tracking.tracker import Tracker, database_uri
from tests.sweep.command_line import EVENTS, RECIPE, changed, finished_study, respsweep, written


def test_an_export_goes_where_it_is_sent(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    finished_study()
    assert respsweep(monkeypatch, "export", "done", "--output", "winner.yaml") == 0
    assert "winner.yaml" in capfd.readouterr().out
    assert yaml.safe_load(Path("winner.yaml").read_text())["recipe"]["patch_mix"]["temperature"] == 0.2


def test_another_configuration_than_the_best_can_be_exported(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    finished_study()
    assert respsweep(monkeypatch, "export", "done", "--configuration", 0, "--output", "zero.yaml") == 0
    assert yaml.safe_load(Path("zero.yaml").read_text())["provenance"]["configuration"] == 0
    assert respsweep(monkeypatch, "export", "done", "--configuration", 7) == 1
    assert "studies/done: there is no configuration 7 among its 1" in capfd.readouterr().err


def test_the_status_of_a_study_is_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    finished_study()
    assert respsweep(monkeypatch, "status", "done", "--units") == 0
    printed = capfd.readouterr().out
    assert "studies/done: over, since" in printed
    assert "units: 2 finished" in printed
    assert "0000-seed2" in printed


@pytest.mark.filterwarnings("default::UserWarning")
def test_a_study_in_whose_journal_a_score_was_changed_is_shown_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    journal = finished_study().journal
    # The average of the rates stays the score.
    changed = journal.read_text().replace(
        '"score": 0.6, "sensitivity": 0.5', '"score": 0.8, "sensitivity": 0.9'
    )
    journal.write_text(changed)
    warning = "warning: studies/done/journal.jsonl: lines 5, 8 do not follow from the lines before"
    for command in ("leaderboard", "export"):
        assert respsweep(monkeypatch, command, "done") == 0
        assert capfd.readouterr().err.startswith(warning)
    journal.write_text(changed.replace('"sensitivity": 0.9', '"sensitivity": 0.5'))
    assert respsweep(monkeypatch, "leaderboard", "done") == 1
    assert capfd.readouterr().err == (
        "error: studies/done/journal.jsonl:5: epoch 1 was reported with score 0.8, but sensitivity 0.5 and specificity "
        "0.7 make 0.600000\n"
    )


def test_a_leaderboard_is_written_for_papers_and_programs(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    finished_study()
    shown = {}
    for form in ("table", "json", "csv", "markdown", "latex"):
        assert respsweep(monkeypatch, "leaderboard", "done", "--format", form) == 0
        shown[form] = capfd.readouterr().out
    assert "│" not in shown["table"]
    (row,) = json.loads(shown["json"])
    assert (row["configuration"], row["score"], row["patch_mix.temperature"]) == (0, 0.6, 0.2)
    assert shown["csv"].splitlines()[1].startswith("1,0,0.6,")
    assert "| 1 | 0 | 60.0 ± 0.0 |" in shown["markdown"]
    assert r"60.0 $\pm$ 0.0" in shown["latex"]


@pytest.mark.parametrize(
    ("command", "json_says", "csv_begins", "markdown_begins"),
    [
        (
            "status done",
            {"state": "over", "units": {"finished": 2}},
            "state,units,kept_s,lost_s\nfinished,2",
            "studies/done",
        ),
        (
            "simulate --from done --repeats 1",
            [{"repeat": 0, "stops": True}],
            "repeat,stops,",
            "| mean ± standard",
        ),
    ],
)
def test_other_results_are_written_for_papers_and_programs_too(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    command: str,
    json_says: Any,
    csv_begins: str,
    markdown_begins: str,
) -> None:
    finished_study()
    shown = {}
    for form in ("json", "csv", "markdown", "latex"):
        assert respsweep(monkeypatch, *command.split(), "--format", form) == 0
        shown[form] = capfd.readouterr().out
    told = json.loads(shown["json"])
    told, says = (told[0], json_says[0]) if isinstance(told, list) else (told, json_says)
    assert {name: told[name] for name in says} == says
    assert shown["csv"].startswith(csv_begins)
    assert shown["markdown"].startswith(markdown_begins)
    assert r"\begin{tabular}" in shown["latex"]


@pytest.mark.filterwarnings("default:training steps are not replayed")
def test_a_run_of_one_recipe_is_written_for_programs(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], breaths: Path
) -> None:
    recipe = written("recipe.yaml", {"recipe": RECIPE})
    assert respsweep(monkeypatch, "train", recipe, "--data", breaths, "--format", "json") == 0
    told = capfd.readouterr()
    numbers = json.loads(told.out)
    assert [epoch["epoch"] for epoch in numbers["epochs"]] == [1, 2]
    assert numbers["selected_epoch"] == 2
    assert len(numbers["epochs"][1]["confusion"]) == len(numbers["labels"]) == 4
    assert "epoch 1/2  loss" in told.err
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    options = ("--data", breaths, "--format", "csv", "--cuda-graphs")
    assert respsweep(monkeypatch, "train", recipe, *options) == 0
    told = capfd.readouterr()
    assert told.out.startswith("epoch,score,sensitivity,specificity,any_abnormal_score,")
    assert "warning: training steps are not replayed from a CUDA graph: " in told.err


def test_a_run_that_tells_patients_apart_is_refused_where_one_is_trained_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    # Of these three patients two are in the training part, and one of these is held out.
    write_breaths(tmp_path / "breaths", patients=3, seed=0)
    alone = {"folds": {"folds": 2}, "patient_alignment": {"cohesion_weight": 1.0}}
    recipe = written("recipe.yaml", {"recipe": {**RECIPE, **alone}})
    assert respsweep(monkeypatch, "train", recipe, "--data", tmp_path / "breaths") == 1
    error = capfd.readouterr().err
    assert (
        "error: patient_alignment.cohesion_weight: tells patients apart, and all cycles of the training"
        in error
    )
    assert "without fold 0 of 2 come from one patient (30" in error
    assert not list((tmp_path / "cache").glob("features/*/*.npy"))


def test_columns_and_order_of_a_leaderboard_are_chosen(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    finished_study()
    chosen = ("--columns", "no.,τ,state", "--sort=-τ")
    assert respsweep(monkeypatch, "leaderboard", "done", *chosen) == 0
    assert capfd.readouterr().out.splitlines()[:2] == [
        "no.  τ    state                            ",
        "  0  0.2  complete, paper's point, baseline",
    ]
    assert respsweep(monkeypatch, "leaderboard", "done", *chosen, "--format", "json") == 0
    (row,) = json.loads(capfd.readouterr().out)
    assert row == {
        "configuration": 0,
        "patch_mix.temperature": 0.2,
        "state": "complete",
        "point": "paper's point, baseline",
    }
    assert respsweep(monkeypatch, "leaderboard", "done", "--sort", "loss") == 1
    assert "error: --sort loss: no such column; there are rank, no., score %" in capfd.readouterr().err


def test_a_report_is_written_where_it_is_sent(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    finished_study()
    assert respsweep(monkeypatch, "report", "done") == 0
    assert capfd.readouterr().out == "studies/done/report.html\n"
    assert respsweep(monkeypatch, "report", "done", "--watch") == 0
    assert capfd.readouterr().out == "studies/done/report.html\n"
    assert respsweep(monkeypatch, "report", "done", "--output", "mine.html") == 0
    assert Path("mine.html").read_text().startswith("<!doctype html>")
    assert respsweep(monkeypatch, "report", "done", "--figures", "figures") == 0
    assert "figures/history.pdf\nfigures/history.svg\n" in capfd.readouterr().out
    assert Path("figures/confusion.pdf").exists()
    assert respsweep(monkeypatch, "report", "done", "--figures", "mine.html") == 1
    assert "error: mine.html: cannot be written: File exists" in capfd.readouterr().err
    assert respsweep(monkeypatch, "report", "done", "--output", "none/mine.html") == 1
    assert "error: none/mine.html: cannot be written: No such file or directory" in capfd.readouterr().err
    # This study kept no predictions: what was asked for by name is missed, and not left out.
    for asked in (["--sounds"], ["--data", "."]):
        assert respsweep(monkeypatch, "report", "done", *asked) == 1
        assert "error: of configuration 0 not all predictions were kept" in capfd.readouterr().err


def test_a_study_without_failures_has_nothing_to_retry(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    finished_study()
    assert respsweep(monkeypatch, "retry", "done", "--configuration", 0) == 1
    assert capfd.readouterr().err == (
        "error: studies/done: no unit has failed, so there is nothing to try again\n"
    )


def test_a_study_is_simulated_on_made_up_and_on_recorded_curves(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    finished_study()
    space = written("study.yaml", changed(budget={"configurations": 4}))
    assert respsweep(monkeypatch, "simulate", space, "--repeats", 2, "--world", "seed_sd=0.008") == 0
    made_up = capfd.readouterr().out
    assert "2 simulated studies on 1 workers" in made_up
    assert "0.8 between seeds" in made_up
    assert respsweep(monkeypatch, "simulate", "--from", "done", "--repeats", 2, "--workers", 2) == 0
    assert "curves of study done: 1 configuration; " in capfd.readouterr().out
    assert respsweep(monkeypatch, "simulate", space, "--world", "sede_sd=1") == 1
    assert "error: --world: sede_sd: no such field; did you mean seed_sd?" in capfd.readouterr().err
    assert respsweep(monkeypatch, "simulate") == 1
    assert "error: no study file: give one" in capfd.readouterr().err


def test_curves_of_a_study_are_kept_in_a_file_and_played(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    finished_study()
    assert respsweep(monkeypatch, "export", "done", "--curves", "done.jsonl") == 0
    assert "done.jsonl" in capfd.readouterr().out
    assert not Path("studies/done/best.yaml").exists()
    outputs = []
    for source in (("--from", "done"), ("--curves", "done.jsonl")):
        assert respsweep(monkeypatch, "simulate", *source, "--repeats", 2, "--set", "seeds=[1]") == 0
        outputs.append(capfd.readouterr().out)
    assert outputs[0] == outputs[1]
    assert "1 configuration; 1 curve as recorded" in outputs[0]
    space = written("study.yaml", changed(seeds=[1, 2, 3]))
    assert respsweep(monkeypatch, "simulate", space, "--curves", "done.jsonl", "--repeats", 1) == 0
    assert "1 missing seeds made" in " ".join(capfd.readouterr().out.split())
    assert respsweep(monkeypatch, "simulate", "--from", "done", "--curves", "done.jsonl") == 1
    assert "error: --from and --curves: " in capfd.readouterr().err
    assert respsweep(monkeypatch, "simulate", "--curves", "done.jsonl", "--set", "recipe.epoch=3") == 1
    assert "error: done.jsonl: recipe: epoch: no such field" in capfd.readouterr().err
    assert respsweep(monkeypatch, "export", "done", "--curves", "done.jsonl", "--configuration", 0) == 1
    assert "leave out --output and --configuration" in capfd.readouterr().err


def test_an_unknown_study_names_those_that_exist(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    finished_study()
    assert respsweep(monkeypatch, "leaderboard", "dune") == 1
    assert "no study 'dune' in studies/; there is done" in capfd.readouterr().err


@pytest.mark.slow
def test_the_mlflow_ui_opens_on_a_study_and_says_where_its_views_are(tmp_path: Path) -> None:
    folder = finished_study()
    tracking = Tracker(database_uri(folder.path), "done", folder.artifacts.absolute(), "0" * 32, [], {})
    for event in EVENTS:
        tracking(event)
    tracking.close()
    assert len(Board(events=EVENTS).ranking()) == 1

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "from sweep.cli import main; main()", "ui", "done", "--port", str(port)]
    password = "correct-horse-battery"
    environment = {**os.environ, "MLFLOW_TRACKING_PASSWORD": password, "MLFLOW_TRACKING_USERNAME": "ann"}
    said = tmp_path / "said"
    with said.open("w") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    log_in = base64.b64encode(f"ann:{password}".encode()).decode()
    page = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Authorization": f"Basic {log_in}"})
    try:
        for _ in range(240):
            if "log in as ann" in said.read_text():
                break
            assert server.poll() is None, f"the UI ended: {said.read_text()}"
            time.sleep(0.5)
        with urllib.request.urlopen(page, timeout=60) as answer:
            assert b"MLflow" in answer.read()
    finally:
        server.terminate()
        server.wait(30)
    view = f"http://127.0.0.1:{port}/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=respsweep"
    first, *lines = said.read_text().splitlines()
    assert first == "starting MLflow's page, up to a minute"
    assert f"configurations, best first: {view}" in lines
    assert f"compared: {view}&compareRunsMode=CHART" in lines
    assert not [line for line in lines if "admin user" in line or "experimental" in line]
