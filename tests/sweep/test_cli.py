"""The command as people type it: how it runs a study, what it refuses in one line, with which status it ends."""

import logging
import os
import re
import signal
import subprocess
import sys
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
from sweep.folder.study_folder import StudyFolder
from tests.sweep.command_line import RECIPE, STUDY, changed, respsweep, written

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


@pytest.fixture(scope="module")
def breaths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("breaths") / "data"
    write_breaths(folder, patients=12, seed=0)
    return folder


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
    said = capfd.readouterr().out
    assert "best configuration: studies/small/best.yaml" in said
    assert "next, train it on all training patients: respsweep finish small\n" in said

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
    code = (
        "import atexit, os, signal, sys, sweep.cli, sweep.commands.app\n"
        "def signalled():\n"
        "    for number in (signal.SIGINT, signal.SIGUSR1): os.kill(os.getpid(), number)\n"
        "atexit.register(signalled)\n"
        f"sweep.commands.app.app = lambda: sys.exit({status})\n"
        "sweep.cli.program()"
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
