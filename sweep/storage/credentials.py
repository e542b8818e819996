"""Secrets in addresses, found and left out: addresses end up in study files, process lists and logs."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

SECRET_KEYS = re.compile(
    r"pass(?!file$)|pwd|secret|token|credential|signature|(api|access|account)_?key|^sig$", re.I
)
NAME_ALONE = re.compile(
    r"(postgres(ql)?|mysql|mariadb|mssql|oracle|ssh|sftp|scp|rsync|ftp|svn|hdfs|abfss?|wasbs?)(\+|$)|.*\+ssh$",
    re.I,
)
"""Schemes in which the part before the @, if it holds no password, names a user or Azure's container; in other schemes
the part before the @ may be a token or a key."""


def holds_secret(uri: str) -> bool:
    """Whether an address holds a password, token or key, as `secret_in` finds them."""
    return secret_in(uri) is not None


def secret_in(uri: str) -> str | None:
    """Name the kind of secret that an address holds, without showing the secret; None for a clean address, or a path.

    A secret is a password (`scheme://user:password@host`), anything before the @ that may be a token or a key
    (`https://token@host`, `s3://key@bucket`), or a query field named like a secret. A user's name without a password
    is no secret in a database's address. An address that its password breaks (`s3://key:se/cret@bucket`) holds one.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return None
    authority, path, fields = _parts(rest)
    user, at, _ = authority.rpartition("@")
    if at and (":" in user or not NAME_ALONE.match(scheme)):
        return "a user or password"
    if _is_broken(authority) and "@" in path + fields:
        return "a user or password"
    for name, _ in parse_qsl(fields, keep_blank_values=True):
        if SECRET_KEYS.search(name):
            return f"`{name}`"
    return None


def without_secret(uri: str) -> str:
    """The part of an address that can be shown: its scheme, and host and path where no secret can be in them."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return uri
    authority, path, _ = _parts(rest)
    _, at, host = authority.rpartition("@")
    if _is_broken(authority) or (at and "@" in path):
        return f"{scheme}://..."
    return f"{scheme}://{host}{path}"


def _parts(rest: str) -> tuple[str, str, str]:
    """Split the rest of an address after its scheme into user, host and port; path; fields of query and fragment.

    `urlsplit` refuses addresses that a password has broken, and such addresses have to be judged too.
    """
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    path, *fields = re.split(r"[?#]", rest[len(authority) :])
    return authority, path, "&".join(fields)


def _is_broken(authority: str) -> bool:
    """Whether the text after the colon is no port: for example the beginning of a password that has a slash in it."""
    _, colon, port = authority.rpartition(":")
    return bool(colon) and "@" not in authority and not port.isdigit() and not authority.endswith("]")
