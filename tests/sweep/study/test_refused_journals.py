"""A journal with a line that no study writes is refused, with the number of the line and what is wrong with it."""

import json
import re
from pathlib import Path

import pytest

from data.task import ICBHI, SPRSOUND, TASKS, Task
from sweep.study.events import ConfigurationAdded, EpochReported, UnitStarted
from sweep.study.journal import JournalError, read_journal
from tests.sweep.histories import write_journal


@pytest.mark.parametrize(
    "line",
    [
        *("not JSON", "[]", "null", "3", '{"event": "UnitSold"}', '{"event": "UnitStarted"}', ""),
        *('{"event": ["UnitStarted"]}', "[" * 100_000, '{"event": "StudyStopped", "reason": "x", "at": NaN}'),
    ],
)
def test_a_line_that_is_no_event_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "journal.jsonl"
    write_journal(path, [ConfigurationAdded(0, {})])
    with path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(JournalError, match=r"journal\.jsonl:3: not an event"):
        list(read_journal(path))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"event": "StudyStarted", "seeds": None}, "seeds: must be a valid tuple"),
        ({"event": "StudyStarted", "seeds": []}, "seeds: Tuple should have at least 1 item"),
        ({"event": "StudyStarted", "seeds": [1.0]}, "seeds.0: must be a valid integer"),
        (
            {"event": "StudyStarted", "seeds": [1], "at": 1e300},
            "at: must be less than or equal to 253402300799",
        ),
        ({"event": "StudyStarted", "seeds": [1], "gpus": "1"}, "gpus: must be a valid number"),
        ({"event": "StudyStarted", "seeds": [1], "cpus": 1}, "cpus: Unexpected"),
        ({"event": "UnitStarted", "configuration": "0", "seed": 1}, "configuration: must be a valid integer"),
        (
            {"event": "UnitStarted", "configuration": True, "seed": 1},
            "configuration: must be a valid integer",
        ),
        ({"event": "UnitStarted", "configuration": 0}, "seed: Field required"),
        (
            {"event": "UnitStarted", "configuration": 0, "seed": 1, "placed": 1},
            "placed: must be a valid bool",
        ),
        (
            {"event": "ConfigurationAdded", "configuration": 0, "values": [1]},
            "values: must be a valid dictionary",
        ),
        (
            {"event": "UnitFailed", "configuration": 0, "seed": 1, "reason": None},
            "reason: must be a valid string",
        ),
        (
            {"event": "EpochReported", "configuration": 0, "seed": 1, "report": []},
            "report: must be a valid dictionary",
        ),
    ],
)
def test_a_field_of_another_kind_is_named(tmp_path: Path, line: dict[str, object], complaint: str) -> None:
    path = tmp_path / "journal.jsonl"
    write_journal(path, [])
    with path.open("a") as file:
        file.write(f"{json.dumps(line)}\n")
    with pytest.raises(JournalError, match=r"journal\.jsonl:2: not an event of this version") as refused:
        list(read_journal(path))
    assert complaint in str(refused.value)


def report_with(**changes: object) -> dict[str, object]:
    report = {"epoch": 1, "score": 0.5, "sensitivity": 0.2, "specificity": 0.8, **changes}
    return {name: value for name, value in report.items() if value is not ...}


@pytest.mark.parametrize(
    ("report", "complaint"),
    [
        (report_with(epoch=...), "a report whose epoch is null; expected a whole number"),
        (report_with(epoch="1"), "a report whose epoch is '1'"),
        (report_with(epoch=True), "a report whose epoch is true"),
        (report_with(score=...), "epoch 1 was reported without a score"),
        (report_with(score=97.3), "epoch 1 was reported with score: 97.3; rates lie in 0 to 1"),
        (report_with(score=None), "epoch 1 was reported with score: null; expected a number"),
        (report_with(sensitivity=-0.1), "with sensitivity: -0.1; rates lie in 0 to 1"),
        (report_with(any_abnormal_score=1.1), "with any_abnormal_score: 1.1; rates lie in 0 to 1"),
        (report_with(seconds="long"), "with seconds: 'long'; expected a number"),
        (report_with(contrast_time=10**400), "; expected a number"),
        (report_with(note=3), "with note: 3; expected text"),
        (report_with(score=0.51), "score 0.51, but sensitivity 0.2 and specificity 0.8 make 0.500000"),
        # Rates may be whole numbers, as JSON of other hands has them.
        (
            report_with(score=0.51, sensitivity=0, specificity=1),
            "score 0.51, but sensitivity 0 and specificity 1 make 0.500000",
        ),
        (
            report_with(any_abnormal_score=0.4),
            "with any_abnormal_score 0.4, below its score 0.5, although every",
        ),
        (
            report_with(any_abnormal_score=0.7, confusion=[[8, 2, 0], [1, 1, 2], [0, 0, 1]]),
            "with any_abnormal_score 0.7, but its confusion matrix makes 0.800000",
        ),
        *(
            (
                report_with(any_abnormal_score=0.7, confusion=matrix),
                "with a confusion matrix that is none; expected",
            )
            for matrix in (
                [],
                [[1, 2]],
                [[5, 1], [1, "2"]],
                [[5, 1], [1, -2]],
                "none",
                [[5, 1], [0, 0]],
                [[True]],
            )
        ),
    ],
)
def test_a_report_that_no_unit_makes_is_refused_with_its_line(
    tmp_path: Path, report: dict[str, object], complaint: str
) -> None:
    path = tmp_path / "journal.jsonl"
    write_journal(path, [UnitStarted(0, 1), EpochReported(0, 1, report)])
    with pytest.raises(JournalError, match=rf"journal\.jsonl:3: .*{re.escape(complaint)}"):
        list(read_journal(path, ICBHI.score_of))


@pytest.mark.parametrize("task", TASKS.values(), ids=str)
def test_a_score_is_held_against_the_formula_of_its_task(tmp_path: Path, task: Task) -> None:
    path = tmp_path / "journal.jsonl"
    right = EpochReported(0, 1, report_with(score=task.score_of(0.8, 0.2)))
    write_journal(path, [right])
    assert list(read_journal(path, task.score_of)) == [right]
    other = SPRSOUND[0] if task is ICBHI else ICBHI
    with pytest.raises(JournalError, match=r"journal\.jsonl:2: epoch 1 was reported with score 0\.[54]"):
        list(read_journal(path, other.score_of))


@pytest.mark.parametrize(
    ("case", "complaint"),
    [
        (
            "20_journal_configuration_text",
            "journal.jsonl:5: not an event of this version (configuration: must be",
        ),
        ("20_journal_epoch_missing", "journal.jsonl:5: a report whose epoch is null"),
        ("20_journal_report_null", "journal.jsonl:5: not an event of this version (report: must be"),
        ("20_journal_seeds_null", "journal.jsonl:2: not an event of this version (seeds: must be"),
        ("21_journal_rate_97", "journal.jsonl:5: epoch 1 was reported with score: 97.3; rates lie in 0 to 1"),
    ],
)
def test_known_hostile_journals_are_refused_with_a_line(cases: Path, case: str, complaint: str) -> None:
    with pytest.raises(JournalError, match=re.escape(complaint)):
        list(read_journal(cases / "hostile" / case / "journal.jsonl"))


def test_the_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"journal": "respsweep", "format": 99}\n')
    with pytest.raises(JournalError, match="journal format 99, this version reads 2"):
        list(read_journal(path))


def test_a_missing_journal_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"none\.jsonl: cannot be read: No such file"):
        list(read_journal(tmp_path / "none.jsonl"))


@pytest.mark.parametrize("task", TASKS.values(), ids=str)
def test_an_any_abnormal_score_is_held_against_the_confusion_matrix(tmp_path: Path, task: Task) -> None:
    confusion = [[8, 2, 0], [1, 1, 2], [0, 0, 1]]
    # Two of five abnormal cycles are found under their own label, four under any abnormal one.
    rates = {"sensitivity": 0.4, "specificity": 0.8, "score": task.score_of(0.8, 0.4), "confusion": confusion}
    right = EpochReported(0, 1, report_with(**rates, any_abnormal_score=task.score_of(0.8, 0.8)))
    path = write_journal(tmp_path / "journal.jsonl", [right])
    assert list(read_journal(path, task.score_of)) == [right]
    write_journal(path, [EpochReported(0, 1, report_with(**rates, any_abnormal_score=0.81))])
    with pytest.raises(JournalError, match=r"journal\.jsonl:2: .*its confusion matrix makes 0\.800000"):
        list(read_journal(path, task.score_of))
