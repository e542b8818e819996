"""What may be different when a study is taken up again, and what may not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from data.errors import one_line
from data.settings import ConfigError
from data.task import ICBHI
from sweep.config.study_config import StudyConfig

FIXED = ("search", "recipe", "objective", "task", "finishes", "crosses", "protocol", "leak")
"""Parts of a study file that may not change: earlier scores would then be scores of something else."""
BANDS = "recipe.features.bands"
SHOWN = 5
"""Fixed settings that a refusal names."""
EVIDENCE = {
    "data_hash": "recordings",
    "fold_hash": "folds",
    "weights_hash": "weights",
    "ages_hash": "ages of patients",
}
"""Parts of the provenance that may not change, by the name that a user knows."""


def changes(before: StudyConfig, after: StudyConfig, name: str) -> list[str]:
    """Say in a line each which settings differ.

    Raises ConfigError when fixed settings differ, with a line for each of the first `SHOWN`.
    """
    found = list(_with_ranking_in_a_line(_different(_settings(before), _settings(after)), name))
    fixed = [line for path, line in found if path.split(".")[0] in FIXED]
    if fixed:
        more = [f"and {len(fixed) - SHOWN} more"] if len(fixed) > SHOWN else []
        raise ConfigError(
            "\n  ".join(
                [
                    f"study {name}: what is searched, trained, told apart and maximised stays as it began; "
                    "begin a study of another name for:",
                    *fixed[:SHOWN],
                    *more,
                ]
            )
        )
    if after.seeds[: len(before.seeds)] != before.seeds:
        raise ConfigError(
            f"study {name}: seeds {list(after.seeds)} must begin with those it has, {list(before.seeds)}, "
            "as its configurations are compared on them"
        )
    return [line for _, line in found]


def evidence_changes(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> list[str]:
    """Say in a line each what differs in provenance. Raises ConfigError when data, folds or weights differ.

    Of weights that are searched those count which were there both times.
    A provenance that names no task, of an earlier version, is of the task `icbhi`.
    """
    for key in EVIDENCE:
        if before.get(key) != after.get(key):
            raise ConfigError(
                f"study {name}: its scores so far rest on other {EVIDENCE[key]} ({key} {_short(before.get(key))}, "
                f"now {_short(after.get(key))}); give those that its study.yaml names, or begin a study of another name"
            )
    known, found = (of_searched_weights(provenance) for provenance in (before, after))
    for source in known.keys() & found.keys():
        if known[source] != found[source]:
            raise ConfigError(
                f"study {name}: its scores so far may rest on other weights ({source} had SHA-256 "
                f"{_short(known[source])}, now {_short(found[source])}); put the file back, or begin a study of another "
                "name"
            )
    return [_line(*difference) for difference in _different({"task": ICBHI.name, **before}, after)]


def of_searched_weights(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read the SHA-256 (hex) of each file of weights among which a study searches, by its name; empty for none."""
    hashes = provenance.get("searched_weights")
    return hashes if isinstance(hashes, Mapping) else {}


def _settings(config: StudyConfig) -> dict[str, Any]:
    return {**config.resolved().model_dump(mode="json"), "task": config.scored_task.name}


def setting_differences(one: StudyConfig, other: StudyConfig) -> list[tuple[str, str, str]]:
    """List the settings that differ between two studies: dotted path, and what each study says, on one line.

    Left out are those that say where recordings and runs lie, and which study another one was made of.
    """
    left_out = ("data", "tracking_uri", "finishes", "crosses")
    return [
        (path, _written(before), _written(after))
        for path, before, after in _different(_settings(one), _settings(other))
        if path.split(".")[0] not in left_out
    ]


def _with_ranking_in_a_line(
    differences: Iterable[tuple[str, Any, Any]], name: str
) -> Iterator[tuple[str, str]]:
    """Yield the dotted paths of settings that differ, each with a line that says how.

    Of a ranking file of mel bands that has changed there is one line, with its hashes and what can be done.
    """
    differences = list(differences)
    hashes = next(((was, now) for path, was, now in differences if path == f"{BANDS}.sha256"), (None, None))
    has_changed = None not in hashes
    for path, was, now in differences:
        if has_changed and path == f"{BANDS}.sha256":
            yield (
                path,
                f"{BANDS}: a ranking file with SHA-256 {_short(was)} -> {_short(now)}; put that file back, or go on "
                f"with the study's own copy of its ranking: respsweep run --resume {name}",
            )
        elif not (has_changed and path.startswith(f"{BANDS}.ranking")):
            yield path, _line(path, was, now)


def _line(path: str, was: Any, now: Any) -> str:
    return f"{path}: {_written(was)} -> {_written(now)}"


def _different(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted paths at which two nested settings differ, each with the two values."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            below = f"{path}.{key}" if path else str(key)
            yield from _different(before.get(key), after.get(key), below)
    elif before != after:
        yield path, before, after


def _short(digest: Any) -> str:
    return "none" if digest is None else one_line(str(digest))[:12]


def _written(value: Any) -> str:
    """Write a value as a study file would, on one line; `none` for null, and where there is nothing."""
    if isinstance(value, dict | list):
        return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=math.inf).strip()
    return "none" if value is None else one_line(str(value))
