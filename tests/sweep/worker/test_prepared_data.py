import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from data.dataset import SealedPartError
from data.recipe_parts import FoldConfig
from data.settings import parse
from data.store import open_store
from data.synthetic import write_breaths
from evidence.ledger import Seal
from model.training.recipe import Recipe
from sweep.storage.folder_storage import FolderStorage
from sweep.worker import local_data as recordings
from sweep.worker.local_data import load_examples, load_tested
from sweep.worker.prepared_data import DataPreparation, DataPreparationError, PreparedData
from tests.data.conftest import EVENTS, write_child
from tests.studies import TINY_RECIPE

RECIPE = parse(Recipe, TINY_RECIPE, "test")
OPEN = """
import json, sys
from pathlib import Path
from sweep.storage.folder_storage import FolderStorage
from sweep.worker.local_data import load_examples
from sweep.worker.prepared_data import PreparedData
download = FolderStorage.download
def counted(self, name, path):
    with open(sys.argv[2], "a") as log:
        log.write(name + chr(10))
    download(self, name, path)
FolderStorage.download = counted
print("ready", flush=True)
sys.stdin.readline()
train, validation = load_examples(PreparedData(**json.loads(sys.argv[1])), 0)
print(len(train), len(validation))
"""


@pytest.fixture(scope="module")
def breaths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("breaths") / "data"
    write_breaths(folder, patients=12, seed=0)
    return folder


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("driver")


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of another machine than the driver's."""
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "node"))
    recordings._open_store.cache_clear()
    return tmp_path / "node"


@pytest.fixture
def prepared(breaths: Path, driver: Path) -> PreparedData:
    """As a driver makes it that shares nothing."""
    return DataPreparation(breaths, driver, progress=False).prepare(RECIPE)


@pytest.fixture
def shared(breaths: Path, driver: Path, tmp_path: Path) -> PreparedData:
    """As a driver makes it that shares, none of whose own folders a node sees."""
    preparation = DataPreparation(breaths, driver, progress=False)
    preparation.share(str(tmp_path / "shared"))
    return unseen(preparation.prepare(RECIPE))


def unseen(prepared: PreparedData) -> PreparedData:
    return dataclasses.replace(prepared, cache="/nowhere/cache", recordings="/nowhere/breaths")


def equal(prepared: PreparedData, other: PreparedData) -> bool:
    both = zip(load_examples(prepared, 0), load_examples(other, 0), strict=True)
    return all(
        torch.equal(a.features, b.features) and torch.equal(a.labels, b.labels) and a.rows is not None
        for a, b in both
    )


def test_on_one_machine_nothing_is_copied(
    prepared: PreparedData, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(driver))
    before = sorted(driver.rglob("*"))
    load_examples(unseen(prepared), 0)
    assert sorted(driver.rglob("*")) == before


def test_a_cache_that_all_machines_see_is_opened_where_it_is(prepared: PreparedData, node: Path) -> None:
    load_examples(prepared, 0)
    assert not (node / "features").exists()


def test_a_node_copies_what_is_shared_once(shared: PreparedData, prepared: PreparedData, node: Path) -> None:
    assert equal(shared, prepared)
    assert (node / "features" / shared.store / "features.npy").exists()
    assert (node / "folds" / shared.folds).exists()
    # From then on it needs nobody.
    recordings._open_store.cache_clear()
    load_examples(dataclasses.replace(shared, shared="/nowhere/shared"), 0)


@pytest.mark.slow
def test_two_processes_of_a_node_copy_it_once(shared: PreparedData, node: Path, tmp_path: Path) -> None:
    log = tmp_path / "downloads"
    asked = json.dumps(dataclasses.asdict(shared))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, asked, str(log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    counts = {process.communicate("go\n")[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(counts) == 1
    assert sorted(log.read_text().split()) == sorted(
        f"features/{shared.store}/{name}" for name in ("features.npy", "index.json")
    )


def test_a_copy_that_was_cut_short_is_none(
    shared: PreparedData, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(self: FolderStorage, name: str, path: Path) -> None:
        path.write_bytes(b"torn")

    with monkeypatch.context() as patch:
        patch.setattr(FolderStorage, "download", torn)
        with pytest.raises(OSError, match=r"features\.npy: 4 of \d+ bytes came"):
            load_examples(shared, 0)
    assert not (node / "features" / shared.store).exists()
    load_examples(shared, 0)


def test_an_unfinished_shared_copy_is_not_taken(shared: PreparedData, node: Path, tmp_path: Path) -> None:
    (tmp_path / "shared" / "features" / shared.store / "index.json").unlink()
    with pytest.raises(DataPreparationError, match=r"no such features in"):
        load_examples(shared, 0)


def test_shared_folds_that_are_no_text_are_not_taken(
    shared: PreparedData, node: Path, tmp_path: Path
) -> None:
    (tmp_path / "shared" / "folds" / shared.folds).write_bytes(b"{\xff\xfe")
    with (
        pytest.warns(UserWarning, match="not a file of folds"),
        pytest.raises(DataPreparationError, match="no such features in"),
    ):
        load_examples(shared, 0)


def test_a_node_that_sees_the_recordings_makes_its_own(
    prepared: PreparedData, breaths: Path, node: Path
) -> None:
    alone = dataclasses.replace(unseen(prepared), recordings=str(breaths))
    assert equal(alone, prepared)
    assert (node / "features" / prepared.store).is_dir()


@pytest.mark.filterwarnings("ignore:.*a subset", "ignore:folds. (patients with|no training)")
def test_a_node_reads_the_recordings_for_the_task_that_the_driver_read_them_for(
    driver: Path, node: Path, tmp_path: Path
) -> None:
    for number in (501, 502):
        write_child(tmp_path / "children", f"{number}_2_0_p1_1", "train", "CAS & DAS", EVENTS)
    recipe = RECIPE.model_copy(update={"folds": FoldConfig(folds=2)})
    made = {
        task: DataPreparation(tmp_path / "children", driver, task=task, progress=False).prepare(recipe)
        for task in ("1-1", "1-2", "2-2")
    }
    assert len({prepared.store for prepared in made.values()}) == 3
    for task, labels in {"1-1": [0, 1, 1], "1-2": [0, 5, 1], "2-2": [3]}.items():
        alone = dataclasses.replace(made[task], cache="/nowhere/cache")
        train, validation = load_examples(alone, 0)
        assert train.labels.tolist() == validation.labels.tolist() == labels
        assert (node / "features" / alone.store).is_dir()


def test_other_recordings_under_the_same_name_are_refused(
    prepared: PreparedData, node: Path, tmp_path: Path
) -> None:
    write_breaths(tmp_path / "others", patients=12, seed=1)
    other = dataclasses.replace(unseen(prepared), recordings=str(tmp_path / "others"))
    with pytest.raises(
        DataPreparationError, match=r"others: other recordings on this machine \(data_hash \w{12}\) than"
    ):
        load_examples(other, 0)
    assert not list(node.glob("features/train-*"))


def test_a_node_that_sees_nothing_says_where_it_looked(prepared: PreparedData, node: Path) -> None:
    with pytest.raises(DataPreparationError) as nothing:
        load_examples(dataclasses.replace(unseen(prepared), shared="/nowhere/shared"), 0)
    for place in (
        f"{node}/features",
        "/nowhere/shared/features",
        "/nowhere/cache/features",
        "/nowhere/breaths",
    ):
        assert place in str(nothing.value)
    assert "\n" not in str(nothing.value)


def test_a_shared_place_that_cannot_be_written_is_one_line(
    breaths: Path, driver: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    preparation = DataPreparation(breaths, driver, progress=False)
    preparation.prepare(RECIPE)
    with pytest.raises(
        DataPreparationError, match=r"file/shared: the features cannot be copied there: .*Not a directory"
    ):
        preparation.share(str(tmp_path / "file" / "shared"))


def test_what_was_made_before_is_shared_too(breaths: Path, driver: Path, node: Path, tmp_path: Path) -> None:
    preparation = DataPreparation(breaths, driver, progress=False)
    preparation.prepare(RECIPE)
    preparation.share(str(tmp_path / "shared"))
    load_examples(unseen(preparation.prepare(RECIPE)), 0)
    assert list(node.glob("features/train-*"))


def spoil_features(cache: Path, prepared: PreparedData) -> None:
    path = cache / "features" / prepared.store / "features.npy"
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


def spoil_folds(cache: Path, prepared: PreparedData) -> None:
    path = cache / "folds" / prepared.folds
    path.write_text(path.read_text().replace('"assignment": {', '"assignment": {"9999": 0,'))


@pytest.mark.parametrize("spoil", [spoil_features, spoil_folds])
def test_what_is_damaged_on_a_node_is_fetched_again(
    shared: PreparedData, prepared: PreparedData, node: Path, spoil: Callable[[Path, PreparedData], None]
) -> None:
    assert equal(shared, prepared)
    spoil(node, shared)
    recordings._open_store.cache_clear()
    with pytest.warns(UserWarning, match=r"not a (whole feature store|file of folds)"):
        load_examples(shared, 0)
    recordings._open_store.cache_clear()
    assert equal(shared, prepared)


@pytest.mark.parametrize("spoil", [spoil_features, spoil_folds])
def test_what_is_damaged_in_the_only_cache_is_made_again(
    breaths: Path, node: Path, spoil: Callable[[Path, PreparedData], None]
) -> None:
    prepared = DataPreparation(breaths, node, progress=False).prepare(RECIPE)
    # Clones, as a map shows what is done to the file that it maps.
    before = [(one.features.clone(), one.labels) for one in load_examples(prepared, 0)]
    for again in (
        lambda: DataPreparation(breaths, node, progress=False).prepare(RECIPE),
        lambda: load_examples(prepared, 0),
    ):
        spoil(node, prepared)
        recordings._open_store.cache_clear()
        with pytest.warns(UserWarning, match=r"not a (whole feature store|file of folds)"):
            again()
        recordings._open_store.cache_clear()
        for one, (features, labels) in zip(load_examples(prepared, 0), before, strict=True):
            assert torch.equal(one.features, features)
            assert torch.equal(one.labels, labels)


def test_the_test_part_comes_with_its_seal_to_every_machine_and_to_none_without(
    breaths: Path, prepared: PreparedData, tmp_path: Path, node: Path
) -> None:
    assert load_tested(prepared) == []
    preparation = DataPreparation(breaths, tmp_path / "driver", progress=False)
    preparation.share(str(tmp_path / "shared"))
    preparation.unseal(Seal("0" * 64, 1), ["test"])
    with pytest.raises(SealedPartError):
        preparation.prepare(RECIPE)
    preparation.unseal(Seal(preparation.data_hash, 1), ["test"])
    unsealed = preparation.prepare(RECIPE)
    (here,) = load_tested(unsealed)
    # From the shared place, and from the recordings, to machines that see nothing else.
    (fetched,) = load_tested(unseen(unsealed))
    assert torch.equal(here.features, fetched.features)
    store = node / "features" / unsealed.tested["test"]
    with pytest.raises(SealedPartError):
        open_store(store)
    (store / "features.npy").write_bytes(b"torn")
    recordings._open_sealed_store.cache_clear()
    alone = dataclasses.replace(unsealed, shared=None, cache="/nowhere/cache")
    with pytest.warns(UserWarning, match="not a whole feature store"):
        (made,) = load_tested(alone)
    assert torch.equal(here.labels, made.labels)
    assert json.loads(json.dumps(dataclasses.asdict(unsealed)))["tested"] == unsealed.tested


def test_populations_are_rows_of_the_one_store_and_the_same_folds(breaths: Path, driver: Path) -> None:
    preparation = DataPreparation(breaths, driver, progress=False)
    folds = {"folds": 2, "population": [19, 55]}
    whole = preparation.prepare(parse(Recipe, {**TINY_RECIPE, "folds": {"folds": 2}}, "test"))
    unified = preparation.prepare(parse(Recipe, {**TINY_RECIPE, "folds": folds}, "test"))
    young = preparation.prepare(
        parse(Recipe, {**TINY_RECIPE, "folds": folds, "population": [19, 55]}, "test")
    )
    assert len({(each.store, each.fold_hash) for each in (whole, unified, young)}) == 1
    assert len({each.identity for each in (whole, unified, young)}) == 3
    # As a worker hears of them.
    young = PreparedData(**json.loads(json.dumps(dataclasses.asdict(young))))
    assert young.identity != whole.identity
    ages = {number: patient.age_years or 0 for number, patient in preparation.recordings.patients.items()}
    store = open_store(driver / "features" / whole.store)
    chosen = [number for number in set(store.patients.tolist()) if 19 <= ages[number] < 55]
    assert young.trained is not None
    assert set(chosen) <= set(young.trained)
    all_train, all_scored = load_examples(whole, 0)
    unified_train, unified_scored = load_examples(unified, 0)
    young_train, young_scored = load_examples(young, 0)
    assert len(unified_train) == len(all_train) > len(young_train) > 0
    assert unified_scored.digest() == young_scored.digest()
    assert 0 < len(young_scored) < len(all_scored)
    rows = torch.cat([young_train.rows, young_scored.rows])  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert sorted(rows.tolist()) == np.flatnonzero(np.isin(store.patients, chosen)).tolist()


def test_scored_cycles_of_a_test_part_are_those_of_the_population(breaths: Path, driver: Path) -> None:
    preparation = DataPreparation(breaths, driver, progress=False)
    preparation.unseal(Seal(preparation.data_hash, 1), ["test"])
    folds = {"fold": None, "population": [19, 55]}
    (every,) = load_tested(
        preparation.prepare(parse(Recipe, {**TINY_RECIPE, "folds": {"fold": None}}, "test"))
    )
    (some,) = load_tested(preparation.prepare(parse(Recipe, {**TINY_RECIPE, "folds": folds}, "test")))
    assert 0 < len(some) < len(every)
