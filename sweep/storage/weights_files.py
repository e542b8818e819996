"""Files of weights that have tensors in common, which lie beside them once: heads, and the encoder under all of them."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping

import numpy as np
import safetensors
import safetensors.numpy

from sweep.storage.storage import Storage, StorageError

SHARED = "shared_tensors"
"""What a file of weights says of itself under this name: the file with the rest of its tensors."""


def shared_name(content: bytes) -> str:
    """Name the file of shared tensors after what is in it."""
    return f"shared-{hashlib.sha256(content).hexdigest()}.safetensors"


def read_whole(storage: Storage, name: str) -> bytes:
    """Read a file of weights, put together with its shared tensors if it has any; what it says of itself stays.

    Raises FileNotFoundError when one of the files is not there, and StorageError when shared tensors are not those that
    were written. What is no file of weights comes back as it is.
    """
    content = storage.read(name)
    notes = _notes(content)
    shared = notes.pop(SHARED, None)
    if shared is None:
        return content
    common = storage.read(shared)
    if shared_name(common) != shared:
        raise StorageError(f"{storage.place}: {shared}: not the tensors that were written")
    tensors: Mapping[str, np.ndarray] = {
        **safetensors.numpy.load(common),
        **safetensors.numpy.load(content),
    }
    return safetensors.numpy.save(dict(tensors), notes)


def _notes(content: bytes) -> dict[str, str]:
    """What a file of weights says of itself; nothing for what is no such file."""
    try:
        (length,) = struct.unpack("<Q", content[:8])
        safetensors.deserialize(content)
        return dict(json.loads(content[8 : 8 + length]).get("__metadata__", {}))
    except (struct.error, safetensors.SafetensorError, ValueError):
        return {}
