import pickle
from pathlib import Path

import pytest
import torch

from model.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "unit" / "checkpoint.pt"
    save_checkpoint(path, {"seed": 3, "weights": torch.arange(4.0)})
    state = load_checkpoint(path)
    assert state["seed"] == 3
    assert torch.equal(state["weights"], torch.arange(4.0))


def test_a_failed_save_leaves_the_last_one_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"epoch": 1})
    with pytest.raises((pickle.PicklingError, AttributeError)):
        save_checkpoint(path, {"epoch": lambda: 2})
    assert load_checkpoint(path)["epoch"] == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_missing_a_torn_and_a_foreign_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_checkpoint(path)
    save_checkpoint(path, {"weights": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        load_checkpoint(path)
    torch.save({"format": 99}, path)
    with pytest.raises(CheckpointError, match="format 99, this version reads 1"):
        load_checkpoint(path)
