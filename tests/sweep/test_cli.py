"""The command as people type it: how it runs a study, what it refuses in one line, with which status it ends."""

import contextlib
import io
import logging
import os
import re
import signal
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import mlflow
import numpy as np
import pytest
import yaml

from data.errors import UserError
from data.settings import ConfigError
from data.synthetic import write_breaths
from model.training.recipe import read_recipe
from sweep.cli import main
from sweep.config.study_config import StudyConfig
from sweep.driver.driver import InterruptedStudyError
from sweep.folder.study_folder import StudyFolder
from sweep.tracking.tracker import database_uri
from sweep.worker.unit_results import read_predictions
from tests.sweep.command_line import RECIPE, STUDY, changed, respsweep, written
from tests.sweep.driver import small_study
from tests.sweep.driver.small_study import optuna_states

RECORD = logging.makeLogRecord({"levelno": logging.WARNING, "msg": "a%sb", "args": ("\x1b[31m",)})
MISSPELT = {"patch_mix.temprature": {"type": "float", "low": 0.1, "high": 0.5}}


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
    assert capsys.readouterr().err == "stopped before it began; nothing has run\n"


def told_that_the_time_is_up(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGUSR1)


@pytest.mark.parametrize(
    "moment",
    [
        "sweep.driver.which_study.choose_study",
        "sweep.driver.run.preflight",
        "sweep.driver.run_folds.run_study",
    ],
)
def test_usr1_before_a_study_begins_is_a_pause_that_leaves_nothing(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    monkeypatch.setattr(moment, told_that_the_time_is_up)
    monkeypatch.setattr(sys, "argv", ["respsweep", "run", "study.yaml", "--name", "one"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 75
    assert not (tmp_path / "studies" / "one").exists()
    assert signal.getsignal(signal.SIGUSR1) == before


def test_usr1_while_the_libraries_are_read_is_a_pause(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Told(ModuleType):
        def __getattr__(self, name: str) -> object:
            told_that_the_time_is_up()
            raise AttributeError(name)

    monkeypatch.setitem(sys.modules, "sweep.commands.app", Told("sweep.commands.app"))
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 75
    assert capsys.readouterr().err == "stopped before it began; nothing has run\n"


@pytest.mark.parametrize(
    ("error", "status", "opening"),
    [
        (InterruptedStudyError("one: interrupted", asked=True), 75, "paused"),
        (InterruptedStudyError("one: the disk is full"), 75, "error"),
        (ConfigError("one: no such field"), 1, "error"),
    ],
)
def test_a_stopped_study_ends_with_a_status_that_says_try_again_and_a_refusal_does_not(
    error: UserError,
    status: int,
    opening: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def app() -> None:
        raise error

    monkeypatch.setattr("sweep.commands.app.app", app)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == status
    assert capsys.readouterr().err == f"{opening}: {error}\n"


def test_the_command_line_reads_its_libraries_where_ctrl_c_is_caught() -> None:
    code = "import sys, sweep.cli; print([name for name in ('typer', 'rich', 'pydantic') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


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


@dataclass(frozen=True)
class Ran:
    """A study that the command has run, with a Ray and a database of its own, and what it printed."""

    folder: StudyFolder
    breaths: Path
    printed: str


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    place = tmp_path_factory.mktemp("ran")
    write_breaths(place / "breaths", patients=12, seed=0)
    asked = {**small_study.STUDY, "pruner": {"name": "none"}, "budget": {"configurations": 2}}
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.chdir(place)
        file = written("study.yaml", asked)
        assert respsweep(patch, "run", file, "--name", "whole", "--data", place / "breaths") == 0
    return Ran(StudyFolder.open(place / "studies", "whole"), place / "breaths", printed.getvalue())


def test_a_study_can_be_run_looked_at_and_its_export_trained(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "best configuration: studies/whole/best.yaml" in ran.printed
    assert "next, train it on all training patients: respsweep finish whole\n" in ran.printed
    assert "score %" in ran.printed

    monkeypatch.chdir(ran.folder.path.parents[1])
    assert respsweep(monkeypatch, "leaderboard", "whole") == 0
    assert (
        "2 configurations, 0 dropped in the race over the seeds; units: 4 finished" in capfd.readouterr().out
    )

    assert respsweep(monkeypatch, "train", "studies/whole/best.yaml", "--data", ran.breaths, "--seed", 1) == 0
    trained = capfd.readouterr().out
    provenance = yaml.safe_load(Path("studies/whole/best.yaml").read_text())["provenance"]
    unit = ran.folder.board().unit(provenance["configuration"], 1)
    assert unit.selected is not None
    assert f"score {100 * unit.selected['score']:.2f} %" in trained
    assert provenance["seeds"] == [1, 2]


def test_a_study_ends_with_every_seed_trained_a_best_file_and_mlflow_runs(ran: Ran) -> None:
    folder = ran.folder
    board = folder.board()
    assert [configuration.complete((1, 2)) for configuration in board.configurations] == [True] * 2
    assert board.configurations[0].values == {"patch_mix.temperature": 0.2, "smoothing.stage": 1}
    assert all([report["epoch"] for report in unit.curve] == [1, 2, 3] for unit in board.units())
    assert optuna_states(folder) == ["COMPLETE"] * 2

    best = board.best()
    assert best is not None
    kept = {str(path.relative_to(folder.units)) for path in folder.units.rglob("*.*")}
    assert kept == {f"{unit.id}/weights.safetensors" for unit in best.units.values()}
    for unit in board.units():
        answers = read_predictions(folder.predictions, unit.configuration, unit.seed)
        assert answers is not None
        assert unit.selected is not None
        assert len(answers) == np.array(unit.selected["confusion"]).sum()
    exported = yaml.safe_load(folder.best.read_text())
    assert exported["provenance"]["configuration"] == best.number
    summary = best.summary()
    assert summary is not None
    assert exported["provenance"]["score"] == {"mean": summary.mean, "sd": summary.sd, "seeds": 2}
    recipe = read_recipe(folder.best)
    assert recipe.patch_mix.temperature == best.values["patch_mix.temperature"]
    assert recipe.digest() == exported["provenance"]["recipe_digest"]

    client = mlflow.MlflowClient(database_uri(folder.path))
    experiment = client.get_experiment_by_name("whole")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "score_mean" in run.data.metrics]
    assert (len(parents), len(runs)) == (2, 2 + 4)
    assert {run.info.status for run in runs} == {"FINISHED"}
    models = [run for run in runs if "respsweep.model" in run.data.tags]
    assert {run.info.run_name for run in models} == {unit.id for unit in best.units.values()}
    assert all(client.list_artifacts(run.info.run_id, "model") for run in models)
    (winner,) = (run for run in parents if run.info.run_name == f"configuration {best.number}")
    files = {file.path for file in client.list_artifacts(winner.info.run_id)}
    assert files >= {"best.yaml", "report.html", "curves.csv", "confusion.csv"}
    means = sorted(configuration.summary().mean for configuration in board.configurations)  # type: ignore[union-attr]
    assert sorted(run.data.metrics["score_mean"] for run in parents) == pytest.approx(means)


def test_log_lines_steer_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    last = logging.lastResort
    assert last is not None
    monkeypatch.setattr("sweep.commands.app.app", lambda: last.handle(RECORD))
    main()
    assert capfd.readouterr().err == "a\\x1b[31mb\n"


@pytest.mark.parametrize(("status", "stands"), [(0, True), (75, True), (1, False)])
def test_ctrl_c_after_a_command_has_ended_changes_its_status_no_more(status: int, stands: bool) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    module, function = project["scripts"]["respsweep"].split(":")
    code = (
        f"import atexit, os, signal, sys, {module}, sweep.commands.app\n"
        "def signalled():\n"
        "    for number in (signal.SIGINT, signal.SIGUSR1): os.kill(os.getpid(), number)\n"
        "atexit.register(signalled)\n"
        f"sweep.commands.app.app = lambda: sys.exit({status})\n"
        f"{module}.{function}()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == status
    assert ("KeyboardInterrupt" in ended.stderr) is not stands


def test_the_version_is_told_with_what_it_runs_on_and_without_loading_that() -> None:
    code = (
        "import sys; sys.argv = ['respsweep', '--version']\nfrom sweep.cli import main\ntry: main()\n"
        "except SystemExit as ended: print(ended.code, sorted({'torch', 'ray', 'pydantic', 'numpy'} & {*sys.modules}))"
    )
    shown = subprocess.check_output([sys.executable, "-c", code], text=True).splitlines()
    assert re.fullmatch(r"respsweep \d\S*(, commit [0-9a-f]{12}(, with changes)?)?", shown[0])
    assert re.fullmatch(r"Python 3\S+, torch 2\S+, ray 2\S+, optuna 5\S+, mlflow 3\S+", shown[1])
    assert shown[2:] == ["0 []"]


@pytest.mark.parametrize("arguments", [("run", "study.yaml"), ("status", "one"), ("leaderboard", "one")])
def test_what_is_shown_or_refused_without_torch_does_not_load_it(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    StudyFolder.at(tmp_path / "studies", "one").create(StudyConfig.model_validate(STUDY))
    (tmp_path / "study.yaml").write_text(
        "recipe: {epoch: 3}\nsearch: {batch_size: {type: int, low: 8, high: 9}}"
    )
    code = (
        f"import sys; sys.argv = ['respsweep', *{arguments}]\nfrom sweep.cli import main\ntry: main()\n"
        "except SystemExit as ended: print(ended.code, 'torch' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == f"{int(arguments[0] == 'run')} False"
    assert ("did you mean epochs" in ran.stderr) is (arguments[0] == "run")
