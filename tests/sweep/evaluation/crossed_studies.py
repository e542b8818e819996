"""A search whose units answer without a network, and the study of other folds that follows it."""

from __future__ import annotations

import warnings
from typing import Any

from sweep.config.study_config import StudyConfig
from sweep.driver.display import NoDisplay
from sweep.driver.preflight import preflight
from sweep.folder.study_folder import StudyFolder
from tests.studies import tiny_study
from tests.sweep.driver.driving import drive
from tests.sweep.evaluation.answering import Answers

TEMPERATURE = "patch_mix.temperature"
POINTS = [0.05, 0.1, 0.2, 0.4]
SEARCHED = {0.05: 0.9, 0.1: 0.85, 0.2: 0.88, 0.4: 0.3}
"""How often each is right on the fold that is searched: the last is no finalist."""
ELSEWHERE = {0.05: 0.6, 0.1: 0.95, 0.2: 0.7, 0.4: 0.99}


def skill(values: dict[str, Any], fold: int) -> float:
    return (SEARCHED if fold == 0 else ELSEWHERE)[values[TEMPERATURE]]


def answered(folder: StudyFolder, config: StudyConfig) -> Answers:
    executor = Answers(skill)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drive(config.resolved(), folder, executor)
        folder.write_provenance(dict(preflight(folder.config(), folder, NoDisplay()).provenance))
    return executor


def a_search(**changes: Any) -> StudyConfig:
    content = tiny_study(1, seeds=[1, 2, 3], budget={"configurations": len(POINTS)}, folds="all")
    content["recipe"]["folds"] = {"folds": 3}
    content["enqueue"] = [{TEMPERATURE: point} for point in POINTS]
    return StudyConfig.model_validate({**content, "data": {"patients": 24, "seed": 0}, **changes})
