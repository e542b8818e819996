"""A node that starts while the store is away waits, and then has what it needs."""

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.settings import parse
from data.synthetic import write_breaths
from model.training.recipe import Recipe
from model.weights_file import checkpoint_sha256
from sweep.storage import patience
from sweep.storage.open_storage import open_storage
from sweep.storage.shared_copy import fetch_folder, publish_folder
from sweep.worker import local_data as recordings
from sweep.worker.local_data import load_examples
from sweep.worker.prepared_data import DataPreparation
from sweep.worker.weights import Weights, local_weights, share_weights
from tests.studies import TINY_RECIPE

RECIPE = parse(Recipe, TINY_RECIPE, "test")


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a machine that sees nothing but the store."""
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "node"))
    monkeypatch.setattr(patience, "RETRY_AFTER_S", 0.1)
    recordings._open_store.cache_clear()
    return tmp_path / "node"


@pytest.fixture(params=["features and folds", "weights"])
def fetch(request: pytest.FixtureRequest, node: Path, s3: Any, tmp_path: Path) -> Callable[[], int]:
    """Fetch what a driver has put on the store; how much came."""
    if request.param == "weights":
        path = tmp_path / "weights.pth"
        path.write_bytes(b"weights")
        weights = share_weights(Weights(str(path), checkpoint_sha256(path)), s3.place(".shared"))
        return lambda: len(local_weights(weights).read_bytes())
    write_breaths(tmp_path / "breaths", patients=12, seed=0)
    driver = DataPreparation(tmp_path / "breaths", tmp_path / "driver", progress=False)
    driver.share(s3.place(".shared"))
    prepared = dataclasses.replace(driver.prepare(RECIPE), cache="/nowhere", recordings="/nowhere")
    return lambda: len(load_examples(prepared, 0)[0])


def test_a_node_waits_for_a_store_that_is_away(fetch: Callable[[], int], s3: Any) -> None:
    found: list[int] = []
    with s3.away():
        waiting = threading.Thread(target=lambda: found.append(fetch()))
        waiting.start()
        waiting.join(2)
        assert waiting.is_alive()
    waiting.join(60)
    assert len(found) == 1
    assert found[0] > 0


def test_a_store_that_stays_away_is_an_error_and_leaves_nothing(
    fetch: Callable[[], int], s3: Any, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_S", 0.0)
    with s3.away(), pytest.raises(OSError, match=r"."):
        fetch()
    assert not [path for path in node.rglob("*") if path.is_file() and path.name != ".lock"]
    assert fetch() > 0


def test_a_driver_waits_for_a_store_that_is_away_when_it_shares(node: Path, s3: Any, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    for name in ("features.npy", "index.json"):
        (tmp_path / "one" / name).write_text(name)
    weights = Weights(str(tmp_path / "one" / "features.npy"), "hash")
    stored = open_storage(s3.place(".shared"))

    def share() -> None:
        publish_folder(stored, tmp_path / "one", "features/one", last="index.json")
        share_weights(weights, s3.place(".shared"))

    with s3.away():
        waiting = threading.Thread(target=share)
        waiting.start()
        waiting.join(2)
        assert waiting.is_alive()
    waiting.join(60)
    assert set(stored.sizes()) == {
        "features/one/features.npy",
        "features/one/index.json",
        "weights/hash/features.npy",
    }


def test_a_store_that_goes_away_between_two_files_is_waited_for(node: Path, s3: Any, tmp_path: Path) -> None:
    stored = open_storage(s3.place(".shared"))
    for name in ("features.npy", "index.json"):
        stored.write(f"features/one/{name}", name.encode())
    download, calls = stored.download, []

    def broken_once(name: str, path: Path) -> None:
        calls.append(name)
        if len(calls) == 2:
            path.write_bytes(b"torn")
            raise OSError("Connection reset by peer")
        download(name, path)

    stored.download = broken_once
    assert fetch_folder(stored, "features/one", tmp_path / "one", last="index.json")
    assert len(calls) == 3
    assert {path.name: path.read_text() for path in (tmp_path / "one").iterdir()} == {
        "features.npy": "features.npy",
        "index.json": "index.json",
    }
