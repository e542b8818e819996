import dataclasses
from pathlib import Path

import pytest

from data.settings import parse
from model.training.recipe import Recipe
from model.weights_file import checkpoint_sha256
from sweep.worker.weights import Weights, WeightsError, local_weights, share_weights, weights_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "driver" / "DASS_small.pth"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    return path


def weights(path: Path) -> Weights:
    backbone = {"variant": "tiny", "pretrained": str(path)}
    found = weights_of(parse(Recipe, {"backbone": backbone}, "test"))
    assert found is not None
    return found


def test_random_weights_are_none() -> None:
    assert weights_of(parse(Recipe, {"backbone": {"variant": "tiny"}}, "test")) is None


def test_what_is_not_shared_is_the_drivers_file(path: Path, tmp_path: Path) -> None:
    assert weights(path) == Weights(str(path), checkpoint_sha256(path))
    assert local_weights(weights(path), tmp_path / "node") == path
    assert not (tmp_path / "node").exists()


def test_a_file_that_changed_is_another_one(path: Path) -> None:
    before = weights(path)
    path.write_bytes(b"others")
    assert weights(path).sha256 == checkpoint_sha256(path) != before.sha256


def test_a_node_fetches_a_shared_copy_once(path: Path, tmp_path: Path) -> None:
    shared = share_weights(weights(path), str(tmp_path / "shared"))
    path.unlink()
    local = local_weights(shared, tmp_path / "node")
    assert local.read_bytes() == b"weights"
    assert local.name == "DASS_small.pth"
    elsewhere = dataclasses.replace(shared, shared="/nowhere")
    assert local_weights(elsewhere, tmp_path / "node") == local


def test_a_copy_of_something_else_is_refused(path: Path, tmp_path: Path) -> None:
    shared = share_weights(weights(path), str(tmp_path / "shared"))
    (tmp_path / "shared" / "weights" / shared.name).write_bytes(b"changed")
    with pytest.raises(
        WeightsError, match=r"shared: weights/\w+/DASS_small.pth has SHA-256 \w{64}; delete it"
    ):
        local_weights(shared, tmp_path / "node")
    assert not list((tmp_path / "node").rglob("*.pth"))


def test_a_place_that_cannot_be_written_is_one_line(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match=r"file/shared: .*DASS_small.pth cannot be copied there"):
        share_weights(weights(path), str(tmp_path / "file" / "shared"))
