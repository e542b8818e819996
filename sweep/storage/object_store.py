"""Files on an object store, or whatever else pyarrow or fsspec finds behind a URI. Imported only where one is given."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pyarrow import ArrowException, ArrowInvalid, fs

from sweep.storage.storage import StorageAwayError, StorageError, may_pass

CHUNK_BYTES = 16 * 2**20
S3_FIELDS = {"region", "scheme", "endpoint_override"}
CONNECT_S = 5.0
ANSWER_S = 10.0
"""How long an S3 server may say nothing."""
ATTEMPTS = 3
IN_PLACE = ("local", "hdfs")
"""File systems where a file is seen while it is written, and can be renamed."""


class UriStorage:
    """The storage at a URI. Credentials come from the environment, as each client reads them.

    S3: `AWS_ENDPOINT_URL`, or `?endpoint_override=HOST:PORT&scheme=http` in the URI, names a server that is not
    Amazon's. Raises StorageError for a URI that neither library knows, StorageAwayError when Amazon, asked for
    the bucket's region, does not answer.
    """

    def __init__(self, uri: str) -> None:
        self.place = uri
        self._files, self._root = _resolve(uri)

    def read(self, name: str) -> bytes:
        with _as_os_errors(), self._files.open_input_stream(self._path(name)) as stream:
            return stream.read()

    def write(self, name: str, content: bytes) -> None:
        with _as_os_errors(), self._target(name) as path, self._files.open_output_stream(path) as stream:
            stream.write(content)

    def upload(self, path: Path, name: str) -> None:
        with path.open("rb") as source, _as_os_errors(), self._target(name) as target:
            stream = self._files.open_output_stream(target)
            shutil.copyfileobj(source, stream, CHUNK_BYTES)
            stream.close()

    def download(self, name: str, path: Path) -> None:
        with (
            path.open("wb") as target,
            _as_os_errors(),
            self._files.open_input_stream(self._path(name)) as stream,
        ):
            shutil.copyfileobj(stream, target, CHUNK_BYTES)

    def sizes(self, folder: str = "") -> dict[str, int]:
        top = self._path(folder) if folder else self._root
        return {
            found.path.removeprefix(top).lstrip("/"): found.size
            for found in self._list(top, recursive=True)
            if found.is_file and not found.base_name.startswith(".")
        }

    def entries(self) -> list[str]:
        return sorted(found.base_name for found in self._list(self._root, recursive=False))

    def has(self, name: str) -> bool:
        with _as_os_errors():
            return self._files.get_file_info(self._path(name)).is_file

    def written(self, name: str) -> float | None:
        with _as_os_errors():
            found = self._files.get_file_info(self._path(name))
        if found.type == fs.FileType.NotFound:
            raise FileNotFoundError(name)
        return found.mtime_ns / 1e9 if found.mtime_ns is not None else None

    def remove(self, name: str) -> None:
        path = self._path(name)
        with _as_os_errors():
            found = self._files.get_file_info(path)
            if found.type == fs.FileType.Directory:
                self._files.delete_dir(path)
            elif found.is_file:
                self._files.delete_file(path)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _list(self, top: str, *, recursive: bool) -> list[Any]:
        with _as_os_errors():
            return self._files.get_file_info(fs.FileSelector(top, allow_not_found=True, recursive=recursive))

    @contextlib.contextmanager
    def _target(self, name: str) -> Iterator[str]:
        """The path to write to so that `name` is whole when the block ends well."""
        path = self._path(name)
        if self._files.type_name not in IN_PLACE:
            yield path
            return
        folder, _, file = path.rpartition("/")
        draft = f"{folder}/.{file}.{os.getpid()}"
        self._files.create_dir(folder, recursive=True)
        yield draft
        self._files.move(draft, path)


def _resolve(uri: str) -> tuple[Any, str]:
    try:
        files, root = _s3(uri) if uri.startswith("s3://") else fs.FileSystem.from_uri(uri)
    except ArrowInvalid as error:
        if "Unrecognized filesystem type" not in str(error):
            raise StorageError(f"{uri}: {str(error).splitlines()[0]}") from error
        files, root = _by_fsspec(uri)
    except (ArrowException, OSError) as error:
        away = isinstance(error, OSError) and may_pass(error)
        kind = StorageAwayError if away else StorageError
        raise kind(f"{uri}: {str(error).splitlines()[0]}") from error
    return files, root.rstrip("/")


def _s3(uri: str) -> tuple[Any, str]:
    """As `from_uri` does it, which leaves the client's patience as it is: minutes for a server that does not answer."""
    parts = urlsplit(uri)
    options = dict(parse_qsl(parts.query))
    if unknown := set(options) - S3_FIELDS:
        raise StorageError(
            f"{uri}: {unknown.pop()}: no such field; an S3 address takes {', '.join(sorted(S3_FIELDS))}"
        )
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and "endpoint_override" not in options:
        options["scheme"], _, options["endpoint_override"] = endpoint.rstrip("/").rpartition("://")
    if "endpoint_override" not in options and "region" not in options:
        options["region"] = fs.resolve_s3_region(parts.netloc)
    files = fs.S3FileSystem(
        region=options.get("region"),
        scheme=options.get("scheme") or "https",
        endpoint_override=options.get("endpoint_override"),
        connect_timeout=CONNECT_S,
        request_timeout=ANSWER_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        # One request for a small file, and not three.
        allow_delayed_open=True,
    )
    return files, parts.netloc + parts.path


def _by_fsspec(uri: str) -> tuple[Any, str]:
    import fsspec

    try:
        files, root = fsspec.core.url_to_fs(uri)
    except (ValueError, ImportError, OSError) as error:
        raise StorageError(f"{uri}: not a storage that pyarrow or fsspec knows: {error}") from error
    return fs.PyFileSystem(fs.FSSpecHandler(files)), root


@contextlib.contextmanager
def _as_os_errors() -> Iterator[None]:
    """Every client has errors of its own; all mean that the storage did not do it."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
