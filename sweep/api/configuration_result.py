"""A configuration of a study as a Python object."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evidence.comparison import Expectation
from model.training.recipe import Recipe
from sweep.folder.study_folder import StudyFolder
from sweep.study.board import Board, shown_metrics
from sweep.study.comparison import comparison_of
from sweep.study.units import Configuration, Summary


@dataclass(frozen=True)
class ConfigurationResult:
    """A configuration of a study: its number, its searched values by dotted field, and its whole recipe.

    `metrics`: mean, sample standard deviation and number of seeds of each validation metric, over the seeds that were
    trained to their end; empty while there is none. `tied`: whether the mean score cannot be told from that of the best
    at 5 %, the best included; None where that is unknown. `probability_best`: of having the highest true score; NaN
    where that is unknown. `expectation`: what score to expect with other seeds, as the best was chosen for its score.
    `protocol`: that of the study, `honest` or `published`; published metrics are of the test part, by which everything
    was chosen, and have no `expectation`.
    """

    number: int
    values: Mapping[str, Any]
    recipe: Recipe
    metrics: Mapping[str, Summary]
    tied: bool | None = None
    probability_best: float = math.nan
    expectation: Expectation | None = None
    protocol: str = "honest"


def result_of(folder: StudyFolder, board: Board, configuration: Configuration) -> ConfigurationResult:
    """Say what a configuration of the study in `folder` came to, by its board."""
    number, compared, config = configuration.number, comparison_of(board), folder.config()
    summaries = {metric: configuration.summary(metric) for metric in shown_metrics(board)}
    return ConfigurationResult(
        number,
        configuration.values,
        config.space.recipe(configuration.values),
        {metric: summary for metric, summary in summaries.items() if summary is not None},
        None if compared is None or compared.tied is None else bool(compared.tied[number]),
        math.nan if compared is None else float(compared.probability_best[number]),
        None if compared is None or config.protocol == "published" else compared.expectation(number),
        config.protocol,
    )
