"""`optuna.journal` as anybody else reads it, who has Optuna and not respsweep."""

import logging
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from sweep.search.optuna_export import OptunaExport
from sweep.study.board import Board
from sweep.study.events import (
    ConfigurationDropped,
    EpochReported,
    StudyStarted,
    StudyStopped,
    UnitPruned,
    UnitStarted,
)
from tests.sweep.histories import epoch
from tests.sweep.search.sweeps import BOTH, WIDE, Sweep, config_of


def read(path: Path) -> optuna.Study:
    return optuna.load_study(study_name=None, storage=JournalStorage(JournalFileBackend(str(path))))


def exported(sweep: Sweep, path: Path, **settings: Any) -> optuna.Study:
    export = OptunaExport(path, "first", config_of(WIDE, **settings), sweep.board)
    export.write()
    return read(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "optuna.journal"


def raced(**settings: Any) -> Sweep:
    """Two configurations with both seeds, six dropped after one, one pruned, one that has just begun."""
    sweep = Sweep(config_of(WIDE, sampler={"name": "random"}, **settings))
    sweep.go_on(2)
    for number in range(2, 8):
        sweep.add()
        sweep.train(number, 1, 0.1, number / 10)
        sweep.record(ConfigurationDropped(number, "hopeless"))
    for number in (8, 9):
        sweep.add()
        sweep.record(UnitStarted(number, 1))
        sweep.record(EpochReported(number, 1, epoch(1, 0.3)))
    sweep.end(UnitPruned(8, 1, "slow"))
    return sweep


def test_optuna_says_nothing_of_its_own_about_an_export(path: Path) -> None:
    said: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    optuna.logging.set_verbosity(optuna.logging.INFO)
    logging.getLogger("optuna").addHandler(listener)
    try:
        OptunaExport(path, "first", config_of(WIDE), Board((1, 2))).write()
    finally:
        logging.getLogger("optuna").removeHandler(listener)
    assert path.exists()
    assert said == []


def test_optuna_reads_every_configuration_and_knows_the_best(path: Path) -> None:
    sweep = raced()
    study = exported(sweep, path)
    assert study.study_name == "first"
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 8 + ["PRUNED", "RUNNING"]
    assert [trial.params for trial in study.trials] == [one.values for one in sweep.board.configurations]
    states = [trial.user_attrs["state"] for trial in study.trials]
    assert states == ["complete"] * 2 + ["dropped"] * 6 + ["pruned", "open"]
    assert study.trials[7].intermediate_values == {1: 0.1, 2: 0.7}
    means = [summary.mean for one in sweep.board.configurations if (summary := one.summary()) is not None]
    assert study.best_value == max(means)


def test_importance_rests_on_all_configurations_with_a_score(path: Path) -> None:
    importance = optuna.importance.get_param_importances(exported(raced(), path))
    assert importance.keys() == WIDE.keys()
    assert sum(importance.values()) == pytest.approx(1)


@pytest.mark.filterwarnings("ignore:PedAnovaImportanceEvaluator computes")  # it asks whether low is meant
def test_two_objectives_have_a_front_and_an_importance_for_each(path: Path) -> None:
    study = exported(raced(objective=BOTH), path, objective=BOTH)
    assert [len(trial.values) for trial in study.trials[:8]] == [2] * 8
    assert study.best_trials
    for objective in range(2):
        importance = optuna.importance.get_param_importances(
            study, target=lambda trial, objective=objective: trial.values[objective]
        )
        assert importance.keys() == WIDE.keys()


def test_what_lay_there_is_replaced_whatever_it_was(path: Path) -> None:
    path.write_bytes(b'{"op_code":4,"wor\n\x00\x00nonsense')
    assert len(exported(raced(), path).trials) == 10
    assert [file.name for file in path.parent.iterdir()] == ["optuna.journal"]


def test_exports_become_rarer_as_a_study_grows_and_the_end_is_always_there(path: Path) -> None:
    sweep = Sweep(config_of(WIDE, sampler={"name": "random"}))
    export = OptunaExport(path, "first", config_of(WIDE), sweep.board)
    record, written = sweep.record, []

    def record_and_export(event: Any) -> None:
        record(event)
        path.unlink(missing_ok=True)
        export(event)
        if path.exists():
            written.append(sweep.board.ended.total())

    sweep.record = record_and_export  # type: ignore[method-assign]
    sweep.go_on(30)
    assert written[:12] == [*range(1, 11), 11, 12]
    assert written[-3:] == [50, 55, 60]
    sweep.record(StudyStopped("over"))
    assert written[-2:] == [60, 60]
    assert len(read(path).trials) == 30


def test_an_export_that_goes_on_shows_what_a_new_one_shows(tmp_path: Path) -> None:
    """After any event: lines of configurations that are as they were are kept, others are not."""

    def shown(path: Path) -> list[Any]:
        # A trial whose unit has no device yet is dated by the export.
        names = "state", "values", "params", "user_attrs", "intermediate_values", "datetime_complete"
        return [[getattr(trial, name) for name in names] for trial in read(path).trials]

    sweep = Sweep(config_of(WIDE, sampler={"name": "random"}))
    going_on = OptunaExport(tmp_path / "old", "first", config_of(WIDE), sweep.board)
    record = sweep.record

    def record_and_compare(event: Any) -> None:
        record(event)
        going_on(event)
        going_on.write()
        OptunaExport(tmp_path / "new", "first", config_of(WIDE), sweep.board).write()
        assert shown(tmp_path / "old") == shown(tmp_path / "new"), event

    sweep.record = record_and_compare  # type: ignore[method-assign]
    sweep.go_on(2)
    sweep.add()
    sweep.train(2, 1, 0.1, 0.2)
    sweep.record(ConfigurationDropped(2, "hopeless"))
    sweep.add()
    sweep.record(UnitStarted(3, 1))
    sweep.record(EpochReported(3, 1, epoch(1, 0.3)))
    sweep.end(UnitPruned(3, 1, "slow"))
    sweep.record(StudyStopped("interrupted"))
    # A further seed makes what was complete incomplete.
    sweep.record(StudyStarted((1, 2, 3)))
    assert [trial.user_attrs["state"] for trial in read(tmp_path / "old").trials] == [
        *["open", "open"],
        *["dropped", "pruned"],
    ]


def test_an_export_that_cannot_be_written_is_told_and_disturbs_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.mkdir()
    sweep = raced()
    OptunaExport(path, "first", config_of(WIDE), sweep.board)(StudyStopped("over"))
    assert "optuna.journal: not written" in caplog.text


@pytest.mark.parametrize("case", ["22_optuna_deep", "22_optuna_missing_key"])
def test_known_hostile_files_of_optuna_are_written_anew(cases: Path, path: Path, case: str) -> None:
    shutil.copyfile(cases / "hostile" / case / "optuna.journal", path)
    sweep = raced()
    assert len(exported(sweep, path).trials) == len(sweep.board.configurations)
