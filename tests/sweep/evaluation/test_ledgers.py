"""A reading is written down beside the study and beside the data, before and after."""

from pathlib import Path

import pytest

from evidence.ledger import SEALED
from sweep.evaluation.ledgers import Ledgers, ReadingError
from sweep.folder.study_folder import StudyFolder

SEAL = dict.fromkeys(SEALED, "...")
DATA = "d" * 64


def ledgers(tmp_path: Path, studies: str, name: str) -> Ledgers:
    return Ledgers(StudyFolder.at(tmp_path / studies, name), DATA, tmp_path / "cache")


def test_a_second_study_sees_the_readings_of_the_first(tmp_path: Path) -> None:
    one = ledgers(tmp_path, "studies", "one")
    seal = one.seal({**SEAL, "study": "one"})
    assert (seal.data_hash, seal.reading) == (DATA, 1)
    one.read({"study": "one", "numbers": {}})
    beside, elsewhere = ledgers(tmp_path, "studies", "two"), ledgers(tmp_path, "other", "three")
    assert [len(each.ledger.entries) for each in one.all()] == [2, 2, 2]
    assert [len(each.ledger.entries) for each in beside.all()] == [0, 2, 2]
    assert [len(each.ledger.entries) for each in elsewhere.all()] == [0, 0, 2]
    assert elsewhere.seal(SEAL).reading == 2
    assert all(each.ledger.faults() == [] for each in elsewhere.all())


def test_nothing_is_sealed_that_leaves_something_open(tmp_path: Path) -> None:
    one = ledgers(tmp_path, "studies", "one")
    with pytest.raises(ReadingError, match="not sealed without weights"):
        one.seal({name: "..." for name in SEALED if name != "weights"})
    assert one.readings() == 0


def test_a_file_in_the_place_of_a_ledger_is_named(tmp_path: Path) -> None:
    one = ledgers(tmp_path, "studies", "one")
    (tmp_path / "studies" / "one").mkdir(parents=True)
    (tmp_path / "studies" / "one" / "ledger.jsonl").write_text("no ledger\n")
    with pytest.raises(ReadingError, match=r"one/ledger.jsonl:1: no line of a ledger"):
        one.seal(SEAL)
