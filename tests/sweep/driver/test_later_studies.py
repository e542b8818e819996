"""Which studies the command that trains one trains after it."""

from pathlib import Path
from typing import Any

import pytest

from sweep.config.study_config import StudyConfig
from sweep.driver.later_studies import later_studies
from sweep.folder.study_folder import StudyFolder
from tests.studies import tiny_study

FINISHES = {"study": "first", "study_id": "1" * 32, "configuration": 0}


def finishing(population: str, **finishes: Any) -> dict[str, Any]:
    return {
        "recipe": {
            **tiny_study(1)["recipe"],
            "population": population,
            "folds": {"fold": None, "population": "child"},
        },
        "search": {"patch_mix.temperature": {"type": "categorical", "choices": [0.2]}},
        "enqueue": [{"patch_mix.temperature": 0.2}],
        "budget": {"configurations": 1},
        "finishes": {**FINISHES, **finishes},
    }


@pytest.mark.parametrize(
    ("settings", "later"),
    [
        ({}, []),
        ({"folds": "all"}, ["first-folds"]),
        (finishing("child"), ["first-unified"]),
        (finishing("all"), []),
        (finishing("all", unified=True), []),
    ],
    ids=["search", "all folds", "finish for some", "finish for all", "for all beside some"],
)
def test_those_that_run_or_finish_train_next(
    tmp_path: Path, settings: dict[str, Any], later: list[str]
) -> None:
    folder = StudyFolder(tmp_path / "first")
    assert later_studies(folder) == [], "nothing is known of a study that has not begun"
    folder.create(StudyConfig.model_validate(tiny_study(1, **settings)))
    assert [one.name for one in later_studies(folder)] == later
