"""What MLflow's page is told of a study beside its events: the settings that are fixed, and a description."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from data.fields import field_paths
from model.training.recipe import Recipe
from sweep.config.study_config import StudyConfig
from sweep.tracking.messages import Shown


def mlflow_page(config: StudyConfig, name: str) -> Shown:
    """Say of the study of that name what it searches, and with which other settings of the recipe."""
    searched = tuple(config.space.order())
    settings = _flat(config.any_recipe().model_dump(mode="json"), {*field_paths(Recipe), *searched})
    return Shown(
        metric=config.ranking_metric,
        searched=searched,
        fixed={path: value for path, value in settings if path not in searched},
        description=_description(config, name),
    )


def _description(config: StudyConfig, name: str) -> str:
    lines = [
        f"Study **{_plain(name)}** of respsweep: a run for each configuration, below it one for each seed.",
        f"Ranked by the mean `{config.ranking_metric}` over seeds; `seeds` says how many a configuration has, and "
        "`respsweep.state` what became of it. 0 seeds: given up within its first, with the score of its last epoch.",
    ]
    if config.label is not None:
        lines.append(f"**{config.label}**")
    return "\n\n".join(lines)


def _plain(name: str) -> str:
    """A name in Markdown that stays a name."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>()#+-.!|~" else sign for sign in name)


def _flat(settings: Mapping[str, Any], known: Collection[str], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield settings by dotted field, as a study file would write each: the `known` fields, what lies deeper as JSON."""
    for key, value in settings.items():
        path = f"{above}{key}"
        if isinstance(value, dict) and any(field.startswith(f"{path}.") for field in known):
            yield from _flat(value, known, f"{path}.")
        else:
            yield path, value if isinstance(value, str) else json.dumps(value)
