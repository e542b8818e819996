"""A reading is written down beside the study and beside the data, before and after."""

from pathlib import Path

import pytest

from data.recordings import read_recordings
from data.synthetic import write_breaths
from evidence.ledger import SEALED, SEALED_FOR_A_STUDY
from sweep.evaluation.ledgers import Ledgers, ReadingError, part_hash
from sweep.folder.study_folder import StudyFolder

SEAL = dict.fromkeys(SEALED, "...")
DATA = "d" * 64


def ledgers(tmp_path: Path, studies: str, name: str) -> Ledgers:
    return Ledgers(StudyFolder.at(tmp_path / studies, name), DATA, tmp_path / "cache")


def test_a_second_study_sees_the_readings_of_the_first(tmp_path: Path) -> None:
    one = ledgers(tmp_path, "studies", "one")
    seal, name = one.seal({**SEAL, "study": "one"}, DATA)
    assert (seal.data_hash, seal.reading) == (DATA, 1)
    one.read({"study": "one", "numbers": {}}, name)
    beside, elsewhere = ledgers(tmp_path, "studies", "two"), ledgers(tmp_path, "other", "three")
    assert [len(each.ledger.entries) for each in one.all()] == [2, 2, 2]
    assert [len(each.ledger.entries) for each in beside.all()] == [0, 2, 2]
    assert [len(each.ledger.entries) for each in elsewhere.all()] == [0, 0, 2]
    assert elsewhere.seal(SEAL, DATA)[0].reading == 2
    assert one.faults() == elsewhere.faults() == []


def test_of_readings_that_overlap_each_gets_its_own_numbers(tmp_path: Path) -> None:
    one, two = ledgers(tmp_path, "studies", "one"), ledgers(tmp_path, "studies", "two")
    _, first = one.seal({**SEAL, "study": "one"}, DATA)
    _, second = two.seal({**SEAL, "study": "two"}, DATA)
    one.read({"study": "one"}, first)
    two.read({"study": "two"}, second)
    shared = one.all()[1].ledger
    assert [(entry.kind, entry.reading, entry.content["study"]) for entry in shared.entries] == [
        ("sealed", 1, "one"),
        ("sealed", 2, "two"),
        ("read", 1, "one"),
        ("read", 2, "two"),
    ]
    assert one.readings() == 2
    assert one.faults() == two.faults() == []


def test_what_was_taken_out_of_one_ledger_is_seen_in_another(tmp_path: Path) -> None:
    one = ledgers(tmp_path, "studies", "one")
    for _ in range(2):
        _, name = one.seal({**SEAL, "study": "one"}, DATA)
        one.read({"study": "one"}, name)
    own = tmp_path / "studies" / "one" / "ledger.jsonl"
    whole = own.read_bytes()
    own.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    assert any("lacks the line `sealed`" in fault for fault in one.faults())
    own.write_bytes(whole[:-1])
    assert any("the last line has no end" in fault for fault in one.faults())
    own.unlink()
    assert any("lacks the line `read`" in fault for fault in one.faults())


def test_nothing_is_sealed_that_leaves_something_open(tmp_path: Path) -> None:
    one = ledgers(tmp_path, "studies", "one")
    with pytest.raises(ReadingError, match="not sealed without weights"):
        one.seal({name: "..." for name in SEALED if name != "weights"}, DATA)
    assert one.readings() == 0


def test_a_file_in_the_place_of_a_ledger_is_named(tmp_path: Path) -> None:
    one = ledgers(tmp_path, "studies", "one")
    (tmp_path / "studies" / "one").mkdir(parents=True)
    (tmp_path / "studies" / "one" / "ledger.jsonl").write_text("no ledger\n")
    with pytest.raises(ReadingError, match=r"one/ledger.jsonl:1: no line of a ledger"):
        one.seal(SEAL, DATA)


@pytest.mark.filterwarnings("ignore:.*a subset")
def test_readings_are_found_whatever_else_of_the_data_has_changed(tmp_path: Path) -> None:
    write_breaths(tmp_path / "data", patients=12, seed=0)
    before = read_recordings(tmp_path / "data")
    tested_before, all_before = part_hash(before), before.content_hash()
    removed = before.part("train")[0]
    removed.path.unlink()
    removed.annotation.unlink()
    after = read_recordings(tmp_path / "data")
    assert part_hash(after) == tested_before
    assert after.content_hash() != all_before
    tested = after.part("test")[0]
    tested.path.unlink()
    tested.annotation.unlink()
    assert part_hash(read_recordings(tmp_path / "data")) != tested_before


def test_a_study_that_reads_at_every_epoch_is_known_to_the_others_and_by_its_id(tmp_path: Path) -> None:
    leaky, other = ledgers(tmp_path, "studies", "leaky"), ledgers(tmp_path, "elsewhere", "two")
    told = {**dict.fromkeys(SEALED_FOR_A_STUDY, "..."), "study": "leaky", "study_id": "l1", "reads": "leak"}
    leaky.seal(told, DATA)
    _, name = other.seal({**SEAL, "study": "two", "study_id": "t1"}, DATA)
    other.read({"study": "two"}, name)
    assert leaky.studies_at_every_epoch() == other.studies_at_every_epoch() == ["leaky"]
    found = leaky.seal_of("l1")
    assert found is not None
    assert found.reading == 1
    assert leaky.seal_of("t1") is None
    assert other.seal_of("l1") is None
    assert leaky.faults() == other.faults() == []
