from pathlib import Path
from typing import Any

import torch

from sweep.worker.checkpoint import UnitCheckpoint


def state(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "weights": torch.full((3,), float(epoch))}


def test_on_a_path_it_is_a_file_of_the_study_folder(tmp_path: Path) -> None:
    checkpoint = UnitCheckpoint(str(tmp_path / "units"), "0000-seed1", tmp_path / "cache")
    assert checkpoint.path == tmp_path / "units" / "0000-seed1" / "checkpoint.pt"
    assert checkpoint.load() == (None, None)
    checkpoint.save(state(1))
    checkpoint.save(state(2))
    checkpoint.close()
    found, note = UnitCheckpoint(str(tmp_path / "units"), "0000-seed1").load()
    assert (found or {})["epoch"] == 2
    assert note is None
    assert sorted(path.name for path in checkpoint.path.parent.iterdir()) == [
        "checkpoint.previous.pt",
        "checkpoint.pt",
    ]
    assert not (tmp_path / "cache").exists()
