"""Addresses without secrets: what names a server or a store ends up in study files, process lists and logs."""

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
"""Schemes where what stands before the @, without a password, is a user's name, or Azure's container; elsewhere it may
be a token or a key."""


def holds_secret(uri: str) -> bool:
    """Whether an address holds what only its user should know, see `secret_in`."""
    return secret_in(uri) is not None


def secret_in(uri: str) -> str | None:
    """What an address holds that only its user should know, named and not shown; None for a clean one, or a path.

    That is a password (`scheme://user:password@host`), anything before the @ where that may be a token or a key
    (`https://token@host`, `s3://key@bucket`), or a query field named like a secret. A user alone is none for a database.
    An address is judged too when its password breaks it (`s3://key:se/cret@bucket`).
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
    """As much of an address as can be shown whatever it holds: its scheme, and host and path where they are clear."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return uri
    authority, path, _ = _parts(rest)
    _, at, host = authority.rpartition("@")
    if _is_broken(authority) or (at and "@" in path):
        return f"{scheme}://..."
    return f"{scheme}://{host}{path}"


def _parts(rest: str) -> tuple[str, str, str]:
    """User, host and port; path; fields of query and fragment. `urlsplit` refuses some of what has to be judged here."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    path, *fields = re.split(r"[?#]", rest[len(authority) :])
    return authority, path, "&".join(fields)


def _is_broken(authority: str) -> bool:
    """Whether what stands for the port is none: the beginning of a password, say, that has a slash in it."""
    _, colon, port = authority.rpartition(":")
    return bool(colon) and "@" not in authority and not port.isdigit() and not authority.endswith("]")
