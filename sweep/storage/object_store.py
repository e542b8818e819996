"""Files on S3 and stores that speak like it, on Google Cloud Storage, and on Azure, by obstore."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from sweep.storage.conditional_writes import ChangedError, Stored, Version
from sweep.storage.storage import RefusedError, StorageAwayError, StorageError

S3_FIELDS = {"region", "scheme", "endpoint_override"}
CONNECT_S = 5.0
ANSWER_S = 10.0
"""How long a server may say nothing, from the first byte of a request."""
ATTEMPTS = 3
SMALL_BYTES = 2**18
"""Size of a content that is sent within `ANSWER_S` on any line."""
PART_BYTES = 5 * 2**20
PARTS_AT_ONCE = 2
PART_S = 30.0
"""How long sending a part of a file, and the answer to it, may take: 2.8 Mbit/s for two parts at once."""
REFUSED_STATUS = re.compile(r"status code: 4(?!08|29)\d\d")
"""A refusal that obstore has no type for: S3 tells of an expired token by 400. 408 and 429 ask for another try."""
KEY_FILE = "~/.aws/credentials"
_told_regions: dict[str, str] = {}
"""Regions of buckets, as Amazon told this process."""


class ObjectStore:
    """The storage at a URI. Credentials come from the environment or the machine's role, as each cloud's clients do.

    S3: `AWS_ENDPOINT_URL`, or `?endpoint_override=HOST:PORT&scheme=http` in the URI, names a server that is not
    Amazon's. Raises StorageError for a URI of another kind, StorageAwayError when Amazon, asked for the bucket's
    region, does not answer.
    """

    def __init__(self, uri: str) -> None:
        self.place = uri
        try:
            self._client, self._plain = _client(uri)
            self._store = self._client(**_patience(ANSWER_S, self._plain))
            self._sender = self._client(**_patience(PART_S, self._plain))
        except (BaseError, ValueError) as error:
            raise StorageError(f"{uri}: {_said(error)}") from error
        except requests.RequestException as error:
            raise StorageAwayError(f"{uri}: the bucket's region cannot be asked for: {error}") from error

    def read(self, name: str) -> bytes:
        return self.stored(name).content

    def stored(self, name: str) -> Stored:
        with _os_errors():
            found = self._store.get(name)
            content = found.bytes().to_bytes()
        return Stored(content, _version(found.meta), found.meta["last_modified"].timestamp())

    def write(self, name: str, content: bytes) -> None:
        with _os_errors(writing=True):
            self._for(content).put(name, content, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)

    def replace(self, name: str, content: bytes, version: Version | None) -> Version:
        with _os_errors(writing=True):
            mode: Any = "create" if version is None else dict(version)
            return _version(self._for_whole(content).put(name, content, mode=mode))

    def upload(self, path: Path, name: str) -> None:
        with _os_errors(writing=True):
            self._sender.put(name, path, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)

    def download(self, name: str, path: Path) -> None:
        with path.open("wb") as target, _os_errors():
            for chunk in self._store.get(name).stream():
                target.write(chunk)

    def sizes(self, folder: str = "") -> dict[str, int]:
        return {
            file: size
            for file, size in self._list(folder).items()
            if not file.endswith("/") and not file.rpartition("/")[2].startswith(".")
        }

    def entries(self) -> list[str]:
        with _os_errors():
            found = self._store.list_with_delimiter()
        return sorted([*found["common_prefixes"], *(file["path"] for file in found["objects"])])

    def has(self, name: str) -> bool:
        try:
            with _os_errors():
                self._store.head(name)
        except FileNotFoundError:
            return False
        return True

    def remove(self, name: str) -> None:
        inside = [f"{name}/{file}" for file in self._list(name)]
        # Stores differ in whether a file that is not there can be removed.
        with contextlib.suppress(FileNotFoundError), _os_errors():
            self._store.delete(inside or name)

    def _for(self, content: bytes) -> S3Store | GCSStore | AzureStore:
        """Choose the client whose patience is enough to send `content` in parts."""
        return self._store if len(content) <= SMALL_BYTES else self._sender

    def _for_whole(self, content: bytes) -> S3Store | GCSStore | AzureStore:
        """Choose, or make, the client whose patience is enough to send `content` by one request."""
        if len(content) <= PART_BYTES:
            return self._for(content)
        return self._client(**_patience(PART_S * len(content) / PART_BYTES, self._plain))

    def _list(self, folder: str) -> dict[str, int]:
        with _os_errors():
            found = self._store.list(folder or None).collect()
        return {file["path"].removeprefix(folder).lstrip("/"): file["size"] for file in found}


def _client(uri: str) -> tuple[Callable[..., S3Store | GCSStore | AzureStore], bool]:
    """Find what makes a client of a store, and whether it speaks plain HTTP."""
    parts = urlsplit(uri)
    folder = parts.path.strip("/") or None
    fields = dict(parse_qsl(parts.query))
    known = S3_FIELDS if parts.scheme == "s3" else set()
    if unknown := set(fields) - known:
        raise StorageError(
            f"{uri}: {unknown.pop()}: no such field; "
            + (f"an S3 address takes {', '.join(sorted(known))}" if known else "only an S3 address takes any")
        )
    match parts.scheme:
        case "s3":
            settings = _s3_settings(parts.netloc, fields)
            plain = settings.get("aws_endpoint_url_s3", "").startswith("http://")
            return functools.partial(S3Store, parts.netloc, prefix=folder, **settings), plain
        case "gs":
            return functools.partial(GCSStore, parts.netloc, prefix=folder), False
        case "abfs" | "abfss" | "az":
            return functools.partial(AzureStore.from_url, uri), False
    raise StorageError(
        f"{uri}: no such storage; expected s3://BUCKET/..., gs://BUCKET/..., "
        "abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/..., or the path of a folder"
    )


def _s3_settings(bucket: str, fields: Mapping[str, str]) -> dict[str, Any]:
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if "endpoint_override" in fields:
        endpoint = f"{fields.get('scheme', 'https')}://{fields['endpoint_override']}"
    # Not all stores that speak S3 can remove several files by one request.
    settings: dict[str, Any] = {"disable_bulk_delete": True, "credential_provider": _profile()}
    if endpoint is not None:
        settings["aws_endpoint_url_s3"] = endpoint.rstrip("/")
    if "region" in fields:
        settings["region"] = fields["region"]
    elif endpoint is None and (region := _region(bucket)) is not None:
        settings["region"] = region
    return settings


def _region(bucket: str) -> str | None:
    """Find a bucket's region: in the environment, or by asking Amazon once; None for a bucket that is not there."""
    if named := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        return named
    if bucket not in _told_regions:
        answer = requests.head(f"https://s3.amazonaws.com/{bucket}", timeout=(CONNECT_S, ANSWER_S))
        if (told := answer.headers.get("x-amz-bucket-region")) is None:
            return None
        _told_regions[bucket] = told
    return _told_regions[bucket]


def _profile() -> Any:
    """Read the keys of a profile in `~/.aws` by boto3, as obstore does not; None where keys come from elsewhere."""
    file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", KEY_FILE)).expanduser()
    if "AWS_ACCESS_KEY_ID" in os.environ or not ("AWS_PROFILE" in os.environ or file.exists()):
        return None
    try:
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        raise ValueError(
            f"keys in {file} need boto3 (pip install boto3); or give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from None
    try:
        provider = Boto3CredentialProvider()
    except BotoCoreError as error:
        raise ValueError(str(error)) from error
    # The bucket's region is not the profile's.
    provider.config = {}
    return provider


def _patience(answer_s: float, plain: bool) -> dict[str, Any]:
    return {
        "client_options": {
            "allow_http": plain,
            "connect_timeout": f"{CONNECT_S:.0f}s",
            "read_timeout": f"{answer_s:.0f}s",
            # Of a whole download, which may be large; a server that falls silent is noticed sooner.
            "timeout": "1h",
        },
        "retry_config": {"max_retries": ATTEMPTS - 1},
    }


def _version(found: Mapping[str, Any]) -> Version:
    return {key: found[key] for key in ("e_tag", "version") if found[key] is not None}


@contextlib.contextmanager
def _os_errors(*, writing: bool = False) -> Iterator[None]:
    """Raise obstore's errors as what `Storage` and `ConditionalStorage` promise, in one line."""
    try:
        yield
    except FileNotFoundError as error:
        if error.errno is not None:
            raise
        # A file that is written need not be there, so it is the bucket that is missing.
        raise (RefusedError if writing else FileNotFoundError)(_said(error)) from None
    except (AlreadyExistsError, PreconditionError) as error:
        raise ChangedError(_said(error)) from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise RefusedError(_said(error)) from None
    except BaseError as error:
        kind = RefusedError if REFUSED_STATUS.search(str(error)) else OSError
        raise kind(_said(error)) from None


def _said(error: Exception) -> str:
    """Say what a store answered, in a line without address fields and without the rest of an answer, which hold keys."""
    text, _, _ = str(error).partition("\n\nDebug source")
    code, message = (re.search(rf"<{tag}>(.*?)</{tag}>", text, re.S) for tag in ("Code", "Message"))
    line = re.sub(r"\?\S*", "", text.splitlines()[0].partition("<?xml")[0]).rstrip(" :")
    found = [answer[1].strip() for answer in (code, message) if answer is not None]
    return " ".join(": ".join([line, *found]).split())
