"""A ledger as people see it: PASS, or what was altered; a reading that was broken off is seen."""

from rich.console import Console

from evidence.ledger import SEALED, SEALED_FOR_A_STUDY, appended, parse_ledger
from sweep.report.ledger_table import ledger_table

NUMBERS = {"test": {"cycles": 9, "patients": 5, "mean": {"score": 0.61}, "patient_interval": [0.5, 0.7]}}


def shown(content: bytes) -> str:
    console = Console(record=True, width=200)
    console.print(
        ledger_table("of the study first", "studies/first/ledger.jsonl", parse_ledger(content, "ledger"))
    )
    return console.export_text()


def a_ledger() -> bytes:
    seal = {**dict.fromkeys(SEALED, "x"), "study": "first-finish", "seeds": [6, 7]}
    content = appended(b"", "sealed", "2026-11-29T04:00:00+00:00", {**seal, "reading": 1})
    content = appended(content, "read", "2026-11-29T04:01:00+00:00", {"reading": 1, "numbers": NUMBERS})
    return appended(content, "sealed", "2026-11-29T05:00:00+00:00", {**seal, "reading": 2})


def test_a_whole_ledger_passes_and_shows_each_reading() -> None:
    text = shown(a_ledger())
    assert "readings of the study first (studies/first/ledger.jsonl): PASS" in text
    assert "61.0" in text
    assert "50.0 to 70.0" in text
    assert "sealed, and broken off" in text


def test_a_study_that_reads_at_every_epoch_is_told_as_that() -> None:
    seal = {**dict.fromkeys(SEALED_FOR_A_STUDY, "x"), "study": "leaky", "seeds": [1, 2], "reads": "leak"}
    text = shown(appended(b"", "sealed", "2026-11-29T04:00:00+00:00", {**seal, "reading": 1}))
    assert "PASS" in text
    assert "at every epoch: leak" in text
    assert "broken off" not in text


def test_an_altered_line_fails() -> None:
    assert "FAIL: line 2 does not follow from the lines before: altered" in shown(
        a_ledger().replace(b"0.61", b"0.91")
    )


def test_an_empty_ledger_says_none() -> None:
    assert shown(b"").strip().endswith(": none")


def test_a_reading_of_some_patients_names_them() -> None:
    seal = {**dict.fromkeys(SEALED, "x"), "study": "young-finish", "seeds": [6], "population": [0.0, 5.0]}
    content = appended(b"", "sealed", "2026-11-29T04:00:00+00:00", {**seal, "reading": 1})
    content = appended(content, "read", "2026-11-29T04:01:00+00:00", {"reading": 1, "numbers": NUMBERS})
    assert "test, [0, 5]" in shown(content)
