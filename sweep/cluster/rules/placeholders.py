"""What the owner of a cluster file has to fill in before it is used."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sweep.cluster.cluster_file import ClusterFile, leaves
from sweep.cluster.finding import Finding, error
from sweep.cluster.surroundings import Surroundings

PLACEHOLDER = re.compile(r"(?<![\w-])[\w-]*FILL_IN\w*")


def placeholders(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """Find each FILL_IN, by its first place: a value used in several places (YAML's &name and *name) counts once."""
    places: dict[str, str] = {}
    for where, value in (leaf for document in file.documents for leaf in leaves(document)):
        if isinstance(value, str) and (found := PLACEHOLDER.search(value)):
            places.setdefault(found[0], where)
    for value, where in places.items():
        yield error(where, value, "your own value: a comment in the file says which")
