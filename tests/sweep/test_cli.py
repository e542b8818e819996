"""The command as people type it: what it prints, what it refuses in one line, what it leaves behind."""

import base64
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from data.errors import UserError
from data.settings import ConfigError
from data.synthetic import write_breaths
from sweep.cli import main
from sweep.config.study_config import StudyConfig
from sweep.driver.driver import InterruptedStudyError
from sweep.driver.provenance import provenance_of
from sweep.folder.study_folder import StudyFolder
from sweep.study.board import Board
from sweep.study.events import (
    Event,
    StudyStarted,
    StudyStopped,
)
from sweep.tracking.tracker import Tracker, database_uri
from tests.data.conftest import CHILDREN, write_child
from tests.studies import TINY_RECIPE
from tests.sweep.histories import added, trained, write_journal

RECIPE = {
    **TINY_RECIPE,
    "optimiser": {"learning_rate": 1e-3},
    "epochs": 2,
}
STUDY = {
    "data": {"patients": 12, "seed": 0},
    "recipe": RECIPE,
    "search": {"patch_mix.temperature": {"type": "float", "low": 0.05, "high": 0.5}},
    "seeds": [1, 2],
    "budget": {"configurations": 1},
}
EVENTS: list[Event] = [
    StudyStarted((1, 2)),
    *added(0, **{"patch_mix.temperature": 0.2}),
    *trained(0, 1, 0.6),
    *trained(0, 2, 0.6),
    StudyStopped("over"),
]


RECORD = logging.makeLogRecord({"levelno": logging.WARNING, "msg": "a%sb", "args": ("\x1b[31m",)})


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESPSWEEP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def test_ctrl_c_while_the_libraries_are_read_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "sweep.commands.app", Interrupted("sweep.commands.app"))
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "error: stopped before it began; nothing has run\n"


@pytest.mark.parametrize(
    ("error", "status"),
    [(InterruptedStudyError("one: interrupted"), 75), (ConfigError("one: no such field"), 1)],
)
def test_a_stopped_study_ends_with_a_status_that_says_try_again_and_a_refusal_does_not(
    error: UserError, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def app() -> None:
        raise error

    monkeypatch.setattr("sweep.commands.app.app", app)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == status
    assert capsys.readouterr().err == f"error: {error}\n"


def test_the_command_line_reads_its_libraries_where_ctrl_c_is_caught() -> None:
    code = "import sys, sweep.cli; print([name for name in ('typer', 'rich', 'pydantic') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


@pytest.fixture(scope="module")
def breaths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("breaths") / "data"
    write_breaths(folder, patients=12, seed=0)
    return folder


def respsweep(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["respsweep", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    code = ended.value.code
    return code if isinstance(code, int) else int(code is not None)


def written(path: str, content: object) -> Path:
    Path(path).write_text(yaml.safe_dump(content))
    return Path(path)


def changed(**changes: object) -> dict[str, object]:
    return {**STUDY, **changes}


def finished_study() -> StudyFolder:
    folder = StudyFolder.at(Path("studies"), "done").create(StudyConfig.model_validate(STUDY))
    folder.write_provenance({"study_id": "0" * 32, **provenance_of("icbhi", "d" * 64, "f" * 64, None)})
    write_journal(folder.journal, EVENTS)
    return folder


MISSPELT = {"patch_mix.temprature": {"type": "float", "low": 0.1, "high": 0.5}}


@pytest.mark.parametrize(
    ("study", "complaint"),
    [
        (
            changed(search=MISSPELT),
            "search.patch_mix.temprature: no such field; did you mean patch_mix.temperature",
        ),
        (changed(search={"folds.fold": {"type": "int", "low": 0, "high": 4}}), "search.folds.fold: says how"),
        (changed(sede=[1]), "sede: no such field; did you mean seeds"),
        (changed(data="nowhere"), "nowhere: "),
        (changed(data=None), "no recordings: give --data DIR (in Python: data=DIR)"),
        (changed(tracking_uri="http://127.0.0.1:9"), "tracking server http://127.0.0.1:9: no answer"),
        (
            changed(sampler={"name": "tpe", "arguments": {"startup": 3}}),
            "sampler.arguments: startup: no such field",
        ),
        (
            changed(pruner={"name": "median", "arguments": {"warmup": 3}}),
            "pruner.arguments: warmup: no such field",
        ),
        (changed(resources={"cpu": 4000, "concurrent": 1}), "a unit needs 4000 CPU"),
        (changed(recipe={**RECIPE, "backbone": {"variant": "tiny", "pretrained": "gone.pth"}}), "gone.pth"),
    ],
)
def test_a_study_that_cannot_run_is_refused_in_one_line_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    study: dict[str, object],
    complaint: str,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert respsweep(monkeypatch, "run", written("study.yaml", study)) == 1
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert complaint in errors[0]
    assert not list(Path().glob("studies/*"))


def test_a_cluster_that_is_not_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert respsweep(monkeypatch, "run", written("study.yaml", STUDY), "--address", "127.0.0.1:9") == 1
    assert "error: address 127.0.0.1:9: no Ray cluster answers there" in capfd.readouterr().err
    assert not list(Path().glob("studies/*"))


def test_a_study_can_be_run_looked_at_and_its_export_trained(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], breaths: Path
) -> None:
    arguments = ("run", written("study.yaml", STUDY), "--name", "small", "--data", breaths)
    assert respsweep(monkeypatch, *arguments) == 0
    assert "best configuration: studies/small/best.yaml" in capfd.readouterr().out

    assert respsweep(monkeypatch, "leaderboard", "small") == 0
    assert (
        "1 configuration, 0 dropped in the race over the seeds; units: 2 finished" in capfd.readouterr().out
    )

    assert respsweep(monkeypatch, "train", "studies/small/best.yaml", "--data", breaths, "--seed", 1) == 0
    trained = capfd.readouterr().out
    provenance = yaml.safe_load(Path("studies/small/best.yaml").read_text())["provenance"]
    unit = StudyFolder.open(Path("studies"), "small").board().unit(0, 1)
    assert unit.selected is not None
    assert f"score {100 * unit.selected['score']:.2f} %" in trained
    assert provenance["seeds"] == [1, 2]


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


def test_a_report_is_written_where_it_is_sent(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    finished_study()
    assert respsweep(monkeypatch, "report", "done") == 0
    assert capfd.readouterr().out == "studies/done/report.html\n"
    assert respsweep(monkeypatch, "report", "done", "--output", "mine.html") == 0
    assert Path("mine.html").read_text().startswith("<!doctype html>")
    assert respsweep(monkeypatch, "report", "done", "--output", "none/mine.html") == 1
    assert "error: none/mine.html: cannot be written: No such file or directory" in capfd.readouterr().err


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


def test_synthetic_breaths_are_written_and_counted(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert respsweep(monkeypatch, "synth", "made", "--patients", 10) == 0
    assert respsweep(monkeypatch, "data", "made") == 0
    printed = capfd.readouterr().out
    assert "train devices: AKGC417L" in printed
    assert respsweep(monkeypatch, "synth", "made") == 1
    assert "made: there is something already" in capfd.readouterr().err


@pytest.mark.filterwarnings("default::UserWarning")
def test_names_of_recordings_steer_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], breaths: Path
) -> None:
    hostile = Path(shutil.copytree(breaths, "hostile"))
    for path in list(hostile.glob("*_AKGC417L.*")):
        path.rename(path.with_name(path.name.replace("AKGC417L", "\x1b[31m[red]DEV")))
    split = hostile / "official_split.txt"
    split.write_text(split.read_text().replace("AKGC417L", "\x1b[31m[red]DEV"))
    for arguments in (("data", "hostile"), ("data", "hostile", "--task", "\x1b[31m")):
        respsweep(monkeypatch, *arguments)
        printed, told = capfd.readouterr()
        assert r"\x1b[31m" in printed + told
        assert "\x1b" not in printed + told
    first = min(hostile.glob("*DEV.txt"))
    first.write_text("0\t1\t\x1b[2J\n")
    assert respsweep(monkeypatch, "data", "hostile") == 1
    told = capfd.readouterr().err
    assert told.startswith(f"error: {str(first).partition(chr(27))[0]}\\x1b[31m[red]DEV.txt")
    assert told.count("\n") == 1
    assert "\x1b" not in told


def test_log_lines_steer_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    last = logging.lastResort
    assert last is not None
    monkeypatch.setattr("sweep.commands.app.app", lambda: last.handle(RECORD))
    main()
    assert capfd.readouterr().err == "a\\x1b[31mb\n"


@pytest.mark.filterwarnings("default:.*a subset")
def test_data_with_several_tasks_are_read_for_the_one_that_is_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, content in CHILDREN.items():
        write_child(tmp_path / "children", name, *content)
    assert respsweep(monkeypatch, "data", tmp_path / "children") == 1
    assert "these recordings have the tasks icbhi, 1-1, 1-2, 2-1, 2-2; name one" in capfd.readouterr().err
    assert respsweep(monkeypatch, "data", tmp_path / "children", "--task", "2-2") == 0
    printed, warned = capfd.readouterr()
    assert "a subset: 5 of the 2683 recordings of SPRSound 2022" in warned
    assert "CAS & DAS" in printed
    assert "missing: train: 3 of 1949 recordings" in printed


def test_synthetic_breaths_are_not_held_against_a_published_database(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], breaths: Path
) -> None:
    assert respsweep(monkeypatch, "data", breaths) == 0
    printed = capfd.readouterr().out
    assert "of no published database: synthetic breaths, or recordings of your own" in printed
    assert "missing" not in printed


def test_a_wrong_recipe_is_refused_before_any_audio_is_read(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = written("recipe.yaml", {"smoothing": {"kernel_size": 4}})
    assert respsweep(monkeypatch, "train", recipe, "--data", "nowhere") == 1
    error = capfd.readouterr().err
    assert error.startswith("error: recipe.yaml: smoothing.kernel_size: ")
    assert error.count("\n") == 1


def test_the_mlflow_ui_opens_on_a_study() -> None:
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
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    log_in = base64.b64encode(f"ann:{password}".encode()).decode()
    page = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Authorization": f"Basic {log_in}"})
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(page, timeout=5) as answer:
                    assert b"MLflow" in answer.read()
                break
            except OSError:
                assert server.poll() is None, "the UI ended"
                time.sleep(0.5)
        else:
            pytest.fail("the UI did not answer")
    finally:
        server.terminate()
        server.wait(30)
