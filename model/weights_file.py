"""Which file of pretrained weights a recipe means: a path, a folder, or a hub id. Free of torch."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import Any

from data.errors import UserError

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
HUB_FILES = ("model.safetensors", "pytorch_model.bin")


class PretrainedError(UserError):
    """A checkpoint that is missing, unreadable, or of another network. The lists hold all keys, the message a few."""

    def __init__(
        self,
        message: str,
        missing: tuple[str, ...] = (),
        unexpected: tuple[str, ...] = (),
        misshaped: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.missing = missing
        self.unexpected = unexpected
        self.misshaped = misshaped


def find_checkpoint(source: str) -> Path:
    """Find the checkpoint file that `source` means; a hub id is fetched, or taken from the hub's cache.

    Raises PretrainedError when there is no such file.
    """
    path = _path(source)
    if path.is_file():
        return path
    if path.is_dir():
        for name in HUB_FILES:
            if (path / name).is_file():
                return path / name
        raise PretrainedError(
            f"{source}: the folder holds no checkpoint; expected {' or '.join(HUB_FILES)} in it"
        )
    if not is_hub_id(source):
        raise PretrainedError(f"{source}: no such file; expected a checkpoint file or a hub id `author/name`")
    return _from_hub(source)


def is_hub_id(source: str) -> bool:
    """Whether `source` means a repository `author/name` of the Hugging Face hub, and no file or folder."""
    path = _path(source)
    named_like_a_file = path.suffix in {".pth", ".pt", ".bin", ".ckpt", ".safetensors"}
    return HUB_ID.fullmatch(source) is not None and not named_like_a_file and not path.exists()


def absolute_source(source: Any) -> Any:
    """Make the path of a checkpoint absolute, so that it means the same file in every folder.

    A hub id, and what names no file (None), stays as it is.
    """
    if not isinstance(source, str) or is_hub_id(source):
        return source
    return str(_path(source).absolute())


def checkpoint_sha256(path: Path) -> str:
    """Compute the SHA-256 of a checkpoint file, hex, to record which was used; no published checksum is known.

    A process reads a file once for as long as its time and size are the same.
    """
    state = path.stat()
    return _sha256(path.absolute(), state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=64)
def _sha256(path: Path, _written_ns: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _path(source: str) -> Path:
    """The path that `source` writes; `~/` is the home folder, and `~name/` stays as it is where nobody has the name."""
    try:
        return Path(source).expanduser()
    except RuntimeError:
        return Path(source)


def _from_hub(hub_id: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for name in HUB_FILES:
        try:
            return Path(hf_hub_download(hub_id, name))
        except LocalEntryNotFoundError as error:
            raise PretrainedError(
                f"{hub_id}: no such local file, and the Hugging Face hub cannot be reached; "
                "fetch the checkpoint on a machine with a network and give its path"
            ) from error
        except EntryNotFoundError:
            continue
        except Exception as error:
            reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
            raise PretrainedError(
                f"{hub_id}: no such local file, and the hub refused it: {reason[0]}"
            ) from error
    raise PretrainedError(f"{hub_id}: the hub repository holds neither {' nor '.join(HUB_FILES)}")
