"""Files of tensors as `torch.save` writes them, and what must be asked of one before it is believed."""

from __future__ import annotations

import os
import warnings
import zipfile
from io import BufferedReader, BytesIO
from typing import Any

import torch
from torch import Tensor


def check_archive(file: BytesIO | BufferedReader) -> None:
    """Raise zipfile.BadZipFile for an archive that `torch.save` did not write, or that has changed since.

    `torch.load` takes the bytes of an archive as they are: a flipped bit would become a weight. It unpacks entries that
    are compressed, which those of `torch.save` never are, however large they become. The file ends where it began.
    """
    size = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        packed = [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
        if packed:
            raise zipfile.BadZipFile(f"{packed[0][:80]!r} is compressed, which torch.save never does")
        if sum(entry.file_size for entry in entries) > size:
            raise zipfile.BadZipFile("its entries are larger than the file")
        broken = archive.testzip()
    if broken is not None:
        raise zipfile.BadZipFile(f"{broken[:80]!r} has changed since it was written")
    file.seek(0)


def load_tensors(file: BytesIO | BufferedReader) -> Any:
    """Read what `torch.save` wrote, onto the CPU, without running code that may be in the file.

    Raises whatever a damaged file makes PyTorch raise. What PyTorch has to say to programmers of a file's contents is
    left out: nobody who gives us a file can do anything about it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(file, map_location="cpu", weights_only=True)


def is_dense(value: Tensor) -> bool:
    """Whether a tensor is plain numbers in memory, and not fewer of them than its shape says."""
    return (
        value.layout == torch.strided
        and not (value.is_meta or value.is_quantized or value.is_nested)
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
    )
