import hashlib
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from model.weights_file import PretrainedError, absolute_source, checkpoint_sha256, find_checkpoint, is_hub_id


@pytest.mark.parametrize(
    ("source", "hub"),
    [("author/name", True), ("weights/dass.pth", False), ("dass.pth", False), ("/disk/author/name", False)],
)
def test_a_hub_id_is_an_author_and_a_name(source: str, hub: bool) -> None:
    assert is_hub_id(source) == hub


def test_a_folder_that_exists_is_no_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("author/name").mkdir(parents=True)
    assert not is_hub_id("author/name")


def test_the_checkpoint_in_a_folder_is_found(tmp_path: Path) -> None:
    with pytest.raises(PretrainedError, match=r"holds no checkpoint; expected model\.safetensors or"):
        find_checkpoint(str(tmp_path))
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert find_checkpoint(str(tmp_path)) == tmp_path / "pytorch_model.bin"


@pytest.mark.parametrize("source", ["missing.pth", "weights/DASS_small.pth", "DASS_small"])
def test_a_path_without_a_file_is_not_taken_for_a_hub_id(source: str) -> None:
    with pytest.raises(
        PretrainedError, match=f"^{source}: no such file; expected a checkpoint file or a hub id"
    ):
        find_checkpoint(source)


def test_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert checkpoint_sha256(tmp_path / "empty").startswith("e3b0c44298fc1c14")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (LocalEntryNotFoundError("no route to host"), "the Hugging Face hub cannot be reached"),
        (RuntimeError("401 Client Error.\n\nRepository Not Found"), "the hub refused it: 401 Client Error.$"),
    ],
)
def test_a_hub_that_gives_nothing_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def download(hub_id: str, name: str) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(PretrainedError, match=f"author/name: no such local file, and {said}"):
        find_checkpoint("author/name")


def test_a_path_is_made_absolute_and_a_hub_id_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_source("weights/DASS_small.pth") == str(tmp_path / "weights" / "DASS_small.pth")
    assert absolute_source("author/name") == "author/name"
    assert absolute_source(None) is None
    # No user has the name.
    assert absolute_source("~nobody-of-that-name/w.pth") == str(tmp_path / "~nobody-of-that-name" / "w.pth")
    (tmp_path / "author" / "name").mkdir(parents=True)
    assert absolute_source("author/name") == str(tmp_path / "author" / "name")


def test_a_file_is_hashed_again_only_once_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = tmp_path / "weights.pth", []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *given: read.append(path) or digest(*given))
    path.write_bytes(b"one")
    first = checkpoint_sha256(path)
    assert (checkpoint_sha256(path), len(read)) == (first, 1)
    path.write_bytes(b"another")
    assert checkpoint_sha256(path) != first
    assert len(read) == 2
