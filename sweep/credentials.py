"""Addresses without secrets: what names a server or a store ends up in study files, process lists and logs."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

SECRET_KEYS = re.compile(
    r"pass(?!file$)|pwd|secret|token|credential|signature|(api|access|account)_?key|^sig$", re.I
)


def holds_secret(uri: str) -> bool:
    """Whether an address holds what only its user should know.

    That is a password (`scheme://user:password@host`), anything before the @ of a web address, which may be a token,
    or a query field named like a secret. A user name alone is none for a database. What cannot be parsed is judged
    as well: a password may hold any character.
    """
    scheme, colon, rest = uri.partition("://")
    if not colon:
        return False
    user, at, _ = rest.rpartition("@")
    if at and (":" in user or scheme.lower() in ("http", "https")):
        return True
    _, _, query = rest.partition("?")
    return any(SECRET_KEYS.search(key) for key, _ in parse_qsl(query, keep_blank_values=True))
