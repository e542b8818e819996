"""Secrets written into a cluster file: Ray copies the file to the head, and hosts keep commands in logs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sweep.cluster.cluster_file import ClusterFile, leaves
from sweep.cluster.finding import Finding, error
from sweep.cluster.surroundings import Surroundings
from sweep.storage.credentials import SECRET_KEYS, holds_secret

KNOWN = {
    "an AWS access key": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    "an AWS secret": re.compile(r"\baws_(secret_access_key|session_token)\s+[^\s$~.]", re.IGNORECASE),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a GitHub token": re.compile(r"\b(gh[pousr]_\w{30,}|github_pat_\w{30,})"),
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{30,}"),
    "a Google key": re.compile(r"\bAIza[\w-]{35}"),
}
"""Patterns of secrets that show what they are, by kind."""
ASSIGNMENT = re.compile(
    r"\b(?P<name>[A-Za-z_][\w-]{0,200})\s*[=:](?!=)\s*(?P<quote>[\"']?)(?P<value>[^\s\"';&|]+)", re.ASCII
)
OPTION = re.compile(r"--(?P<name>[a-z][\w-]{0,200})[ =](?P<quote>[\"']?)(?P<value>[^\s\"';&|-][^\s\"';&|]*)")
URL = re.compile(r"\b[a-z][a-z0-9+.-]{0,50}://[^\s\"']+", re.IGNORECASE)
ACCESS_KEY = re.compile(r"access_?key|private_?key", re.IGNORECASE)
HARMLESS = re.compile(r"(_|-)(path|file|name|mode|dir|id)$|^ssh_private_key$|^secretName$", re.IGNORECASE)
"""Names of fields that have `token` or the like in them and hold no secret."""
NO_SECRET = re.compile(
    r"\$|[~./]|<|FILL_IN|(true|false|null|none|required|optional|token|disabled)$", re.IGNORECASE
)
"""How a value begins that is a variable, a path, or a word with another meaning."""
INSTEAD = "leave it out: a file in file_mounts, a role of the machine, or a Kubernetes Secret holds it"


def secrets(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """Find keys, tokens and passwords in any field or command. A finding names the kind and never the value."""
    for document in file.documents:
        if document.get("kind") == "Secret" and (document.get("data") or document.get("stringData")):
            yield error("kind: Secret", "its content, in this file", "kubectl create secret, from the shell")
            continue
        texts = {where: value for where, value in leaves(document) if isinstance(value, str)}
        for where, value in texts.items():
            parent, dot, key = where.rpartition(".")
            # `env: [{name: PASSWORD, value: ...}]`: a name and its value are two fields.
            name = texts.get(f"{parent}{dot}name", "") if key == "value" else ""
            kind = f"the value of {name}" if _is_secret(name, value) else _secret_in(key, value)
            if kind is not None:
                yield error(where, f"{kind} (not shown)", INSTEAD)


def _secret_in(key: str, value: str) -> str | None:
    for kind, pattern in KNOWN.items():
        if pattern.search(value):
            return kind
    if any(holds_secret(url) for url in URL.findall(value)):
        return "an address with a password or token"
    if _is_secret(key, value) and not re.search(r"\s", value):
        return f"the value of {key}"
    for pattern in (ASSIGNMENT, OPTION):
        for found in pattern.finditer(value):
            if _is_secret(found["name"], found["value"]):
                return f"the value of {found['name']}"
    return None


def _is_secret(name: str, value: str) -> bool:
    named = bool(SECRET_KEYS.search(name) or ACCESS_KEY.search(name)) and not HARMLESS.search(name)
    return named and bool(value) and not NO_SECRET.match(value)
