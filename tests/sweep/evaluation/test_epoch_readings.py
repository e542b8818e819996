"""Only a study whose file asks for the test part gets it, and not before that is written down."""

from pathlib import Path

import pytest

from data.settings import parse
from data.synthetic import write_breaths
from evidence.ledger import read_ledger
from model.training.recipe import Recipe
from sweep.config.study_config import StudyConfig
from sweep.evaluation.epoch_readings import open_test_part, parts_to_test
from sweep.evaluation.ledgers import ReadingError
from sweep.folder.study_folder import StudyFolder
from sweep.worker.local_data import load_tested
from sweep.worker.prepared_data import DataPreparation
from tests.data.conftest import CHILDREN, EVENTS, write_child
from tests.studies import TINY_RECIPE, tiny_study

RECIPE = parse(Recipe, TINY_RECIPE, "test")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def children(tmp_path: Path) -> Path:
    """Recordings in SPRSound's layout: two children in train and one of them in intra, another one in inter."""
    for name, content in CHILDREN.items():
        write_child(tmp_path / "children", name, *content)
    return tmp_path / "children"


@pytest.fixture(scope="module")
def breaths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("breaths") / "data"
    write_breaths(folder, patients=12, seed=0)
    return folder


def opened(breaths: Path, tmp_path: Path, study_id: str = "s1", **settings: object) -> DataPreparation:
    config = StudyConfig.model_validate(tiny_study(1, budget={"configurations": 1}, **settings))
    preparation = DataPreparation(breaths, tmp_path / "features", task=config.task, progress=False)
    provenance = {"study_id": study_id, "data_hash": preparation.data_hash, "commit": None}
    open_test_part(StudyFolder.at(tmp_path / "studies", "one"), config, preparation, provenance)
    return preparation


def test_a_study_that_does_not_ask_gets_nothing_and_nothing_is_written(breaths: Path, tmp_path: Path) -> None:
    preparation = opened(breaths, tmp_path)
    prepared = preparation.prepare(
        StudyConfig.model_validate(tiny_study(1, budget={"configurations": 1})).any_recipe()
    )
    assert load_tested(prepared) == []
    assert prepared.tested == {}
    assert not (tmp_path / "studies").exists()
    assert not (tmp_path / "cache" / "ledgers").exists()


def test_a_study_that_asks_is_written_down_once_and_another_of_its_name_again(
    breaths: Path, tmp_path: Path
) -> None:
    for study_id in ("s1", "s1", "s2"):
        opened(breaths, tmp_path, study_id, leak=True)
    entries = read_ledger(tmp_path / "studies" / "one" / "ledger.jsonl").entries
    assert [(entry.kind, entry.reads, entry.content["study_id"]) for entry in entries] == [
        ("sealed", "leak", "s1"),
        ("sealed", "leak", "s2"),
    ]
    assert entries[0].content["parts"] == ["test"]
    assert "at every epoch" in entries[0].content["protocol"]


def test_a_ledger_that_cannot_be_read_keeps_the_test_part_closed(breaths: Path, tmp_path: Path) -> None:
    (tmp_path / "studies" / "one").mkdir(parents=True)
    (tmp_path / "studies" / "one" / "ledger.jsonl").write_text("no ledger\n")
    with pytest.raises(ReadingError, match="no line of a ledger"):
        opened(breaths, tmp_path, leak=True)


@pytest.mark.filterwarnings("ignore:.*a subset")
def test_recordings_without_a_test_part_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write_breaths(folder, patients=12, seed=0)
    recordings = DataPreparation(folder, tmp_path / "features", progress=False).recordings
    assert parts_to_test(recordings) == ["test"]
    for recording in recordings.part("test"):
        recording.path.unlink()
        recording.annotation.unlink()
    with pytest.raises(ReadingError, match="no recording belongs to an official test part"):
        opened(folder, tmp_path, leak=True)


@pytest.mark.filterwarnings("ignore:.*a subset")
@pytest.mark.filterwarnings("ignore:folds")
def test_by_the_published_protocol_units_have_the_children_who_are_not_in_training_alone(
    children: Path, tmp_path: Path
) -> None:
    for number in range(510, 520):
        write_child(children, f"{number}_3_1_p2_1", "train", "DAS", EVENTS)
    both = opened(children, tmp_path, leak=True, task="icbhi")
    assert sorted(both.prepare(RECIPE).tested) == ["inter", "intra"]
    alone = opened(children, tmp_path, "s2", protocol="published", task="icbhi")
    assert list(alone.prepare(RECIPE).tested) == ["inter"]
    for path in children.rglob("503_*"):
        path.unlink()
    with pytest.raises(ReadingError, match=r"no recording of the inter part, by which `protocol: published`"):
        opened(children, tmp_path, "s3", protocol="published", task="icbhi")
