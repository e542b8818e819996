import io
import warnings
import zipfile

import pytest
import torch

from model.tensor_archive import check_archive, is_dense, load_tensors


def saved(tensor: torch.Tensor) -> io.BytesIO:
    content = io.BytesIO()
    torch.save({"w": tensor}, content)
    return content


def test_what_torch_saved_passes_and_is_read_from_its_beginning() -> None:
    content = saved(torch.arange(1000.0))
    check_archive(content)
    assert torch.equal(torch.load(content)["w"], torch.arange(1000.0))


def test_compressed_entries_are_refused_before_they_are_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(saved(torch.zeros(100_000))) as whole,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in whole.infolist():
            bomb.writestr(entry.filename, whole.read(entry))
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    with pytest.raises(zipfile.BadZipFile, match=r"is compressed, which torch\.save never does"):
        check_archive(packed)


def test_entries_that_share_their_bytes_are_refused() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a", bytes(10_000))
        archive.filelist += [archive.filelist[0]] * 9
    with pytest.raises(zipfile.BadZipFile, match="its entries are larger than the file"):
        check_archive(content)


def test_a_changed_byte_is_found() -> None:
    weights = torch.full((8,), 0.1)
    content = saved(weights)
    at = content.getvalue().index(weights.numpy().tobytes())
    content.getbuffer()[at] ^= 1
    with pytest.raises(zipfile.BadZipFile, match="has changed since it was written"):
        check_archive(content)


def test_what_pytorch_says_to_programmers_of_a_files_contents_is_left_out() -> None:
    content = io.BytesIO()
    torch.save({"w": 3}, content, pickle_protocol=3)
    content.seek(0)
    with pytest.warns(UserWarning, match="pickle protocol 3"):
        torch.load(content, weights_only=True)
    content.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_tensors(content) == {"w": 3}


def test_only_numbers_that_are_there_are_dense() -> None:
    plain = torch.ones(3, 4)
    assert is_dense(plain)
    assert is_dense(plain.t())
    assert is_dense(plain[:, 1])
    assert not is_dense(torch.ones(1).expand(5))
    assert not is_dense(plain.to("meta"))
    assert not is_dense(plain.to_sparse())
    assert not is_dense(torch.quantize_per_tensor(plain, 0.1, 0, torch.qint8))
