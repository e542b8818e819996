"""`import sweep` as people use it: what it costs to import, and studies that are read.

One is run, from its file to its best recipe, in tests/test_python_page.py.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import sweep
from data.errors import UserError
from data.settings import ConfigError
from sweep.driver.retry import RetryError
from sweep.folder.study_folder import StudyFolder
from sweep.report.paper_figures import FIGURES
from sweep.report.which_configuration import NoConfigurationError
from sweep.study.events import Event, StudyStarted, StudyStopped, UnitFailed, UnitStarted
from tests.studies import tiny_study
from tests.sweep.histories import added, reported, trained, write_journal

HEAVY = ("torch", "ray", "mlflow", "optuna", "pandas", "scipy", "numpy", "pydantic")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(tiny_study(1, budget={"configurations": 2})))
    return path


def with_history(study_file: Path, *events: Event) -> sweep.Study:
    """A study of this file in whose journal the events stand."""
    folder = StudyFolder.at("studies", "first").create(sweep.read_study(study_file))
    write_journal(folder.journal, events)
    return sweep.open("first")


HISTORY = [
    StudyStarted((1, 2)),
    *added(0, **{"patch_mix.temperature": 0.1}),
    *added(1, **{"patch_mix.temperature": 0.2}),
    *trained(0, 1, 0.5, 0.6),
    *trained(0, 2, 0.7),
    *reported(1, 1, 0.9),
]


def test_the_import_is_light_and_sets_nothing() -> None:
    code = (
        "import os, sys; before = dict(os.environ); import sweep; "
        f"print([name for name in {HEAVY} if name in sys.modules], dict(os.environ) == before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[] True"


def test_each_name_is_there_and_no_other() -> None:
    assert dir(sweep) == sorted([*sweep.__all__, "open"])
    for name in dir(sweep):
        assert getattr(sweep, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        sweep.runn  # noqa: B018


def test_a_star_leaves_the_builtin_open_alone() -> None:
    names: dict[str, object] = {}
    exec("from sweep import *", names)
    assert "run" in names
    assert "open" not in names


def test_a_study_file_is_read_with_other_settings(study_file: Path) -> None:
    config = sweep.read_study(str(study_file), data="breaths", **{"budget.configurations": 40})
    assert (config.data, config.budget.configurations) == ("breaths", 40)
    assert sweep.read_study(study_file, budget={"units": 8}).budget.units == 8
    with pytest.raises(sweep.UserError, match=r"budget\.unit: no such field; did you mean budget\.units"):
        sweep.read_study(study_file, **{"budget.unit": 8})


def test_a_study_without_events_has_not_begun(study_file: Path) -> None:
    assert with_history(study_file).state == "not begun"


def test_a_study_is_looked_at_while_it_is_under_way(study_file: Path) -> None:
    study = with_history(study_file, *HISTORY)
    assert study.state == "its driver died"
    assert study.config.seeds == (1, 2)
    assert study.best().number == 0
    assert study.best().metrics["score"].mean == pytest.approx(0.65)
    assert study.configuration(1).metrics == {}
    assert [type(event) for event in study.events()[:1]] == [StudyStarted]
    assert study.units()["state"].tolist() == ["finished", "finished", "running"]
    with pytest.raises(NoConfigurationError, match="there is no configuration 2"):
        study.configuration(2)


def test_each_figure_of_a_report_is_there_and_follows_the_study(study_file: Path) -> None:
    study = with_history(study_file, StudyStarted((1, 2)), *added(0), *reported(0, 1, 0.5))
    figures = {name: getattr(study.plot, name)() for name in FIGURES}
    assert [figure.name for figure in figures.values()] == list(FIGURES)
    assert repr(study.plot.history()) == "history: 1 configuration so far, none with all its seeds."
    assert study.plot.history().facts is study.plot.race().facts
    journal = study.folder.journal
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:-2]))
    assert study.plot.history().finding == "No configuration has a score yet."


def test_without_a_finished_configuration_there_is_no_best_one(study_file: Path) -> None:
    study = with_history(study_file, StudyStarted((1, 2)), StudyStopped("halted"))
    assert study.state == "halted"
    assert len(study.leaderboard()) == 0
    with pytest.raises(UserError, match="no configuration has finished all 2 seeds"):
        study.best()


def test_a_number_that_is_none_is_told_from_a_configuration_that_is_not_there(study_file: Path) -> None:
    study: Any = with_history(study_file, *HISTORY)
    for given in ("1", True, -1, 1.0, None):
        with pytest.raises(ConfigError, match="configuration: must be a whole number of at least 0, got"):
            study.configuration(given)
    for given in ("1", True, -1):
        with pytest.raises(ConfigError, match="configuration: must be a whole number of at least 0, got"):
            study.export("x.yaml", configuration=given)
    with pytest.raises(UserError, match=r"studies/first: there is no configuration 2 among its 2"):
        study.export("x.yaml", configuration=2)
    with pytest.raises(UserError, match="configuration 1 has not finished all 2 seeds; those that have: 0"):
        study.export("x.yaml", configuration=1)
    for write in (study.export, study.export_curves):
        with pytest.raises(ConfigError, match="path: must be a path, got 3"):
            write(3)
    assert not Path("x.yaml").exists()
    assert study.configuration(np.int64(0)).number == 0


def test_what_failed_is_tried_again(study_file: Path) -> None:
    study = with_history(
        study_file, StudyStarted((1, 2)), *added(0), UnitStarted(0, 1), UnitFailed(0, 1, "the loss is NaN")
    )
    with pytest.raises(RetryError, match="no unit of configuration 1 has failed"):
        study.retry(1)
    assert study.retry(configuration=0) == ["0000-seed1"]
    assert list(study.units()["state"]) == ["waiting"]
    with pytest.raises(ConfigError, match="configuration: must be a whole number"):
        study.retry("all")  # type: ignore[arg-type]


def test_an_unfinished_study_has_nothing_to_export_yet(study_file: Path) -> None:
    study = with_history(study_file, StudyStarted((1, 2)), *added(0), *reported(0, 1, 0.5))
    for ask in (study.best, study.export):
        with pytest.raises(UserError, match=r"the study is not over: the furthest configuration has 0 of 2$"):
            ask()


TEMPERATURE = {"type": "float", "low": 0.02, "high": 0.5, "log": True}


@pytest.mark.parametrize(
    ("search", "complaint"),
    [
        (
            {"patch_mix.temperature": TEMPERATURE | {"high": 0.15}},
            r".*0\.2 is outside what the study searches",
        ),
        (
            {
                "patch_mix.temperature": TEMPERATURE,
                "patch_mix.beta": {"type": "float", "low": 1.0, "high": 2.0},
            },
            "no value for patch_mix.beta, which this study searches",
        ),
        (
            {"patch_mix.beta": {"type": "float", "low": 1.0, "high": 2.0}},
            "patch_mix.temperature: this study does not search that field",
        ),
    ],
)
@pytest.mark.parametrize("play", [sweep.plan, sweep.simulate])
def test_a_study_that_cannot_come_to_the_recorded_points_is_refused(
    study_file: Path, play: Callable[..., object], search: dict[str, Any], complaint: str
) -> None:
    past = with_history(study_file, *HISTORY)
    other = sweep.read_study(study_file, search=search)
    with pytest.raises(
        ConfigError, match=f"the curves are of a study with another search space, .*: {complaint}"
    ):
        play(other, recorded=past, repeats=1)


def test_an_unknown_study_names_those_that_exist(study_file: Path) -> None:
    with_history(study_file)
    with pytest.raises(sweep.UserError, match="no study 'frist' in studies/; there is first"):
        sweep.open("frist")


def test_a_study_is_simulated_on_made_up_and_on_recorded_curves(study_file: Path) -> None:
    config = sweep.read_study(study_file)
    made_up = sweep.simulate(config, workers=2, repeats=2, world={"seed_sd": 0.008})
    assert isinstance(made_up, pd.DataFrame)
    assert made_up["stops"].tolist() == [True, True, False, False]
    assert made_up["units"].tolist() == [4, 4, 4, 4]
    assert "0.8 between seeds" in made_up.attrs["note"]
    assert made_up.attrs["epoch_seconds"] == 60
    past = with_history(study_file, *HISTORY)
    recorded = sweep.simulate(config, repeats=1, recorded=past)
    assert "curves of study first" in recorded.attrs["note"]
    assert recorded.attrs["epoch_seconds"] is None
    with pytest.raises(ConfigError, match="give one of them"):
        sweep.simulate(config, recorded=past, world={"seed_sd": 0.008})
    with pytest.raises(ConfigError, match=r"must be left out with recorded, .*, got 2.0"):
        sweep.plan(config, recorded=past, epoch_seconds=2.0)


def test_curves_are_kept_in_a_file_and_played_as_their_study(study_file: Path) -> None:
    points = [*added(0, **{"patch_mix.temperature": 0.1}), *added(1, **{"patch_mix.temperature": 0.2})]
    units = [*trained(0, 1, 0.5), *trained(0, 2, 0.7), *trained(1, 1, 0.6)]
    past = with_history(study_file, StudyStarted((1, 2)), *points, *units)
    past.folder.write_provenance({"data_hash": "d" * 64})
    file = past.export_curves("first.jsonl")
    assert file == Path("first.jsonl")
    own, kept = sweep.simulate(recorded=past, repeats=2), sweep.simulate(curves=file, repeats=2)
    pd.testing.assert_frame_equal(own, kept)
    assert own.attrs == kept.attrs
    pd.testing.assert_frame_equal(own, sweep.simulate(study_file, curves="first.jsonl", repeats=2))
    with pytest.raises(ConfigError, match="give one of them"):
        sweep.simulate(recorded=past, curves=file)


def test_a_study_file_is_taken_where_a_study_is(study_file: Path) -> None:
    assert sweep.plan(str(study_file), repeats=1).cost.units == 4
    assert len(sweep.simulate(study_file, repeats=1)) == 2
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read"):
        sweep.run("gone.yaml", "first")
    assert not Path("studies").exists()


def test_a_file_that_is_run_without_progress_prints_nothing(
    study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study_file.write_text(yaml.safe_dump(tiny_study(1, sampler={"name": "tpe", "arguments": {"startup": 3}})))
    with pytest.raises(ConfigError, match=r"sampler\.arguments: startup: no such field"):
        sweep.run(str(study_file), "first", progress=False)
    assert capsys.readouterr().out == ""


UNTYPED: Any = sweep
"""The door as it looks without a type checker."""


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (
            lambda file: UNTYPED.run({"search": {}}, "first"),
            r"config: must be a study, .*or its file, got \{",
        ),
        (lambda file: UNTYPED.run(file, Path("first")), r"name: must be a text, got PosixPath"),
        (lambda file: UNTYPED.run(file, "first", studies=None), "studies: must be a folder .*, got None"),
        (lambda file: UNTYPED.run(file, "first", address=None), "address: must be .*, got None"),
        (lambda file: UNTYPED.run(file, "first", progress="no"), "progress: must be True or False, got 'no'"),
        (lambda file: UNTYPED.open(None), "name: must be a text, got None"),
        (lambda file: UNTYPED.read_study(3), "study file: must be a path, got 3"),
        (lambda file: UNTYPED.plan(None), "config: must be a study, .*, got None"),
        (lambda file: UNTYPED.plan(file, workers=0), "workers: must be a whole number of at least 1, got 0"),
        (lambda file: UNTYPED.plan(file, workers=True), "workers: must be a whole number .*, got True"),
        (lambda file: UNTYPED.plan(file, epoch_seconds=True), "epoch_seconds: must be a number .*, got True"),
        (lambda file: UNTYPED.plan(file, repeats=0), "repeats: must be a whole number of at least 1, got 0"),
        (
            lambda file: UNTYPED.plan(file, epoch_seconds=-1),
            "epoch_seconds: must be a number above 0, got -1",
        ),
        (
            lambda file: UNTYPED.plan(file, recorded="a"),
            "recorded: must be a study, as open returns, got 'a'",
        ),
        (lambda file: UNTYPED.simulate(file, workers="2"), "workers: must be a whole number .*, got '2'"),
        (lambda file: UNTYPED.simulate(file, repeats=0), "repeats: must be a whole number .*, got 0"),
        (lambda file: UNTYPED.simulate(file, recorded="a"), "recorded: must be a study, .*, got 'a'"),
        (lambda file: UNTYPED.simulate(file, world="seed_sd"), "world: "),
        (lambda file: UNTYPED.simulate(file, world=0), "world: "),
        (lambda file: UNTYPED.simulate(file, curves=""), "cannot be read"),
        (lambda file: UNTYPED.simulate(file, curves=3), "curves: must be a path, got 3"),
        (lambda file: UNTYPED.simulate(), "config: must be a study, .*, got None"),
    ],
)
def test_an_argument_that_cannot_be_is_refused_in_one_line(
    study_file: Path, call: Callable[[Path], object], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint) as refused:
        call(study_file)
    assert "\n" not in str(refused.value)
    assert not Path("studies").exists()


def test_studies_are_listed_noted_renamed_and_deleted(study_file: Path) -> None:
    study = with_history(study_file, *HISTORY)
    study.write_note("quiet room")
    assert study.note == "quiet room"
    listed = sweep.studies("studies")
    assert listed[["study", "state", "best", "note"]].values.tolist() == [["first", "died", 0, "quiet room"]]
    renamed = study.rename("night")
    assert (renamed.name, renamed.note) == ("night", "quiet room")
    assert renamed.delete() == ["stays: recordings, and features that other studies share"]
    assert len(sweep.studies("studies")) == 0
    untyped: Any = study
    for call in (untyped.write_note, untyped.rename):
        with pytest.raises(ConfigError, match="must be a text, got 3"):
            call(3)
