from pathlib import Path

import pytest

from model.weights_file import PretrainedError, checkpoint_sha256, find_checkpoint, is_hub_id


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


def test_a_file_that_is_missing_is_named() -> None:
    with pytest.raises(
        PretrainedError, match=r"gone\.pth: no such file; expected a checkpoint file or a hub id"
    ):
        find_checkpoint("gone.pth")


def test_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert checkpoint_sha256(tmp_path / "empty").startswith("e3b0c44298fc1c14")
