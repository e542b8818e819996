"""Weights that lie in two files, and are read as one."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sweep.storage.open_storage import open_storage
from sweep.storage.storage import StorageError
from sweep.storage.weights_files import SHARED, read_whole, shared_name

ENCODER = {"encoder.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "encoder.count": np.array(7)}
HEAD = {"head.weight": np.ones(3, dtype=np.float32)}


def written(folder: Path) -> str:
    """Write a head and its encoder; returns the name of the encoder's file."""
    common = safetensors.numpy.save(ENCODER)
    (folder / shared_name(common)).write_bytes(common)
    notes = {"unit": "0000-seed1", SHARED: shared_name(common)}
    (folder / "head.safetensors").write_bytes(safetensors.numpy.save(HEAD, notes))
    return shared_name(common)


def test_a_head_and_its_encoder_are_read_as_one_file_that_says_what_the_head_said(tmp_path: Path) -> None:
    written(tmp_path)
    content = read_whole(open_storage(str(tmp_path)), "head.safetensors")
    found = safetensors.numpy.load(content)
    assert found.keys() == {*ENCODER, *HEAD}
    assert all(np.array_equal(found[name], value) for name, value in {**ENCODER, **HEAD}.items())
    (tmp_path / "whole.safetensors").write_bytes(content)
    with safetensors.safe_open(tmp_path / "whole.safetensors", "np") as file:
        assert file.metadata() == {"unit": "0000-seed1"}
    assert read_whole(open_storage(str(tmp_path)), "whole.safetensors") == content


@pytest.mark.parametrize("content", [b"", b"\x08", b"no weights at all", safetensors.numpy.save(HEAD)])
def test_what_shares_nothing_comes_back_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights").write_bytes(content)
    assert read_whole(open_storage(str(tmp_path)), "weights") == content


def test_a_changed_encoder_is_refused_and_a_missing_one_is_not_there(tmp_path: Path) -> None:
    encoder = tmp_path / written(tmp_path)
    encoder.write_bytes(encoder.read_bytes()[:-1] + b"\1")
    with pytest.raises(StorageError, match="not the tensors that were written"):
        read_whole(open_storage(str(tmp_path)), "head.safetensors")
    encoder.unlink()
    with pytest.raises(FileNotFoundError):
        read_whole(open_storage(str(tmp_path)), "head.safetensors")
