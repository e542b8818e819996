import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from sweep.config.study_config import StudyConfig
from sweep.folder.lock import StudyLock
from sweep.folder.study_folder import StudyFolder
from sweep.report.status import study_status
from sweep.study.events import (
    ConfigurationAdded,
    EpochReported,
    Event,
    NodeAccused,
    StudyStarted,
    StudyStopped,
    UnitFinished,
    UnitLost,
    UnitStarted,
)
from tests.sweep.histories import epoch, write_journal

CONFIG = StudyConfig.model_validate(
    {
        "search": {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}},
        "budget": {"configurations": 4, "gpu_hours": 2},
        "resources": {"gpu": 0.5},
        "seeds": [1, 2],
    }
)
HOUR = 3600.0
EVENTS: list[Event] = [
    StudyStarted((1, 2), gpus=0.5, at=0.0),
    ConfigurationAdded(0, {"patch_mix.beta": 1.0}, at=0.0),
    UnitStarted(0, 1, at=0.0),
    EpochReported(0, 1, epoch(1), at=HOUR),
    UnitFinished(0, 1, 1, at=HOUR),
    UnitStarted(0, 2, at=HOUR),
]


def status_of(folder: StudyFolder, *more: Event, units: bool = False) -> str:
    write_journal(folder.journal, [*EVENTS, *more])
    return printed(folder, units=units)


def printed(folder: StudyFolder, *, units: bool = False) -> str:
    console = Console(record=True, width=200, file=io.StringIO())
    console.print(study_status(folder, units=units))
    return console.export_text()


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder.at(tmp_path, "one").create(CONFIG)


def test_a_study_without_events_has_not_begun(folder: StudyFolder) -> None:
    assert printed(folder).startswith(f"{folder.path}: not begun; go on with: respsweep run --resume one")


def test_a_study_whose_driver_died_says_when_and_how_to_go_on(folder: StudyFolder) -> None:
    StudyLock(folder.path).sign()
    os.utime(folder.path / "driver.json", (1.5 * HOUR, 1.5 * HOUR))
    status = status_of(folder)
    assert "its driver died, last sign of life 1970-01-01" in status
    assert "go on with: respsweep run --resume one" in status
    # Half an hour of the second unit counts, and no more: nothing has run since.
    assert "budget: configurations 1 of 4, gpu_hours 0.75 of 2" in status
    assert "run for 1:30:00, times started: 1" in status


def test_a_running_study_says_who_runs_it(folder: StudyFolder) -> None:
    with StudyLock(folder.path) as lock:
        lock.sign()
        assert f"running (process {os.getpid()} on " in status_of(folder)


def test_an_interrupted_study_counts_what_it_has_and_what_it_lost(folder: StudyFolder) -> None:
    lost = UnitLost(0, 2, "interrupted", counts=False, at=1.2 * HOUR)
    status = status_of(folder, lost, StudyStopped("interrupted", at=1.2 * HOUR), units=True)
    assert "interrupted, since 1970-01-01" in status
    assert "configurations: 1 open" in status
    assert "units: 1 finished, 1 waiting" in status
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in status.splitlines()]
    assert ["finished", "1", "0.500", "0.000"] in cells
    assert ["waiting", "1", "0.000", "0.100"] in cells
    assert ["0000-seed2", "waiting", "0", "1", "720.0", "720.0"] in cells


def test_a_study_that_is_over_needs_no_resuming(folder: StudyFolder) -> None:
    end = [
        EpochReported(0, 2, epoch(1)),
        UnitFinished(0, 2, 1, at=2 * HOUR),
        StudyStopped("over"),
    ]
    status = status_of(folder, *end)
    assert ": over, since" in status
    assert "go on with" not in status
    assert "best: configuration 0, 60.0 ± 0.0 %" in status


def test_what_the_hours_are_is_said_in_one_line(folder: StudyFolder) -> None:
    (line,) = [line.strip() for line in status_of(folder).splitlines() if "GPU-hours" in line]
    assert line.startswith("GPU-hours: hours for which units, each one seed of a configuration, held a GPU")
    assert "epochs: 1 trained\n" in "\n".join(line.strip() for line in status_of(folder).splitlines())


def test_a_running_study_says_of_which_unit_there_is_no_news(folder: StudyFolder) -> None:
    more = [EpochReported(0, 2, epoch(1), at=HOUR + 4.0)]
    with StudyLock(folder.path) as lock:
        lock.sign()
        lock.beat(1.5 * HOUR)
        assert "no news" not in status_of(folder, *more)
        # By the driver's own last sign of life.
        lock.beat(2.7 * HOUR)
        assert "0000-seed2: no news for 1:41:56 (an epoch takes 30:02)" in printed(folder)
    assert "no news" not in printed(folder)


def test_a_running_study_says_which_node_gets_no_units_and_why(folder: StudyFolder) -> None:
    accused = NodeAccused("10.0.0.7/1f2e3d4c5b6a", "2 units died there", at=HOUR)
    with StudyLock(folder.path) as lock:
        lock.sign()
        once = status_of(folder, accused)
        assert "node 10.0.0.7 (1f2e3d4c) gets no units until 1970-01-01 " in once
        assert ", and then one: 2 units died there" in once
        folder.journal.unlink()
        twice = status_of(folder, accused, accused)
    assert "gets no units until the study is taken up again: 2 units died there" in twice
    assert "10.0.0.7" not in printed(folder)


def test_what_units_told_beside_their_epochs_is_counted_over_units_also_of_an_epoch_heard_before(
    folder: StudyFolder,
) -> None:
    chunks = "batches trained in 4 chunks, as they did not fit whole"
    noted = [
        EpochReported(0, 2, {**epoch(1), "note": chunks}, at=HOUR),
        EpochReported(0, 2, {**epoch(1), "note": "the checkpoint\nwas damaged"}, at=HOUR),
        UnitFinished(0, 2, 1, at=HOUR),
        ConfigurationAdded(1, {"patch_mix.beta": 0.5}, at=HOUR),
        UnitStarted(1, 1, at=HOUR),
        EpochReported(1, 1, {**epoch(1), "note": chunks}, at=HOUR),
    ]
    told = [line.strip() for line in status_of(folder, *noted).splitlines() if "told by" in line]
    assert told == [f"told by 2 units: {chunks}", r"told by 1 unit: the checkpoint\nwas damaged"]


def test_a_journal_in_which_a_score_was_changed_is_read_with_a_warning_that_names_the_line(
    folder: StudyFolder,
) -> None:
    assert "journal.jsonl" not in status_of(folder)
    content = folder.journal.read_text()
    folder.journal.write_text(content.replace('"any_abnormal_score": 0.8', '"any_abnormal_score": 0.9'))
    status = " ".join(printed(folder).split())
    assert (
        f"warning: {folder.journal}: line 5 does not follow from the lines before; the file was changed"
        in status
    )
    assert "scores may have been edited" in status
    assert "configurations: 1 open" in status


def test_a_journal_of_a_version_without_check_sums_is_said_to_have_none(folder: StudyFolder) -> None:
    status_of(folder)
    lines = [json.loads(line) for line in folder.journal.read_text().splitlines()]
    folder.journal.write_text(
        "".join(json.dumps({key: line[key] for key in line if key != "chain"}) + "\n" for line in lines)
    )
    assert "journal: written before its lines had check sums, so that changes" in printed(folder)


def test_the_best_by_another_objective_is_named_with_it(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"objective": "any_abnormal", "seeds": (1,)})
    folder = StudyFolder.at(tmp_path, "one").create(config)
    events: list[Event] = [StudyStarted((1,), objective="any_abnormal", at=0.0), *EVENTS[1:5]]
    write_journal(folder.journal, events)
    assert "best: configuration 0, any-abnormal score 80.0" in printed(folder)


def test_a_study_of_other_folds_names_whose_finalists_it_trains(tmp_path: Path) -> None:
    content = CONFIG.model_dump(mode="json")
    content["search"]["folds.fold"] = {"type": "categorical", "choices": [0, 1, 2, 3, 4]}
    content |= {
        "crosses": {"study": "first", "study_id": "1"},
        "enqueue": [{"patch_mix.beta": 1.0, "folds.fold": 1}],
        "budget": {"configurations": 1},
    }
    folder = StudyFolder.at(tmp_path, "first-folds").create(StudyConfig.model_validate(content))
    added = ConfigurationAdded(0, {"patch_mix.beta": 1.0, "folds.fold": 1}, at=0.0)
    write_journal(folder.journal, [EVENTS[0], added, *EVENTS[2:5]])
    text = printed(folder)
    assert "trains the finalists of the study first on other folds, and chooses nothing" in text
    assert "best:" not in text


def test_a_study_whose_budget_is_spent_says_which_limit_to_raise(folder: StudyFolder) -> None:
    end = [
        UnitLost(0, 2, "interrupted", counts=False, at=4 * HOUR),
        StudyStopped("budget spent: gpu_hours 2 of 2", at=4 * HOUR),
    ]
    assert " --set budget.gpu_hours=4 " in " ".join(status_of(folder, *end).split())
