"""A study that is over, and those that were made of it, as files: nothing was trained."""

from pathlib import Path
from typing import Any

from sweep.config.study_config import StudyConfig
from sweep.driver.provenance import provenance_of
from sweep.folder.study_folder import StudyFolder
from sweep.study.events import StudyStarted, StudyStopped
from tests.studies import tiny_study
from tests.sweep.histories import added, timed, trained, write_journal

POINT = {"patch_mix.temperature": 0.2}
"""The only point that these studies tried."""


def a_study(studies: Path | str, name: str, study_id: str, **settings: Any) -> StudyFolder:
    """A study of one configuration and two seeds that is over; `settings`: fields of its study file."""
    content = tiny_study(1, budget={"configurations": 1}, **settings)
    folder = StudyFolder.at(studies, name).create(StudyConfig.model_validate(content))
    folder.write_provenance({"study_id": study_id, **provenance_of("icbhi", "d" * 64, "f" * 64, None)})
    point = {**POINT, **({"folds.fold": 1} if "crosses" in settings else {})}
    events = [StudyStarted((1, 2)), *added(0, **point), *trained(0, 1, 0.6), *trained(0, 2, 0.7)]
    write_journal(folder.journal, timed(*events, StudyStopped("over")))
    return folder


def a_family(studies: Path | str, study_id: str) -> StudyFolder:
    """The study `first`, which `first-finish` and `third` finish, and whose finalists `first-folds` trains."""
    first = a_study(studies, "first", study_id)
    finishes = {"study": "first", "study_id": study_id, "configuration": 0}
    alone = {
        "recipe": {**tiny_study(1)["recipe"], "folds": {"fold": None}},
        "search": {"patch_mix.temperature": {"type": "categorical", "choices": [0.2]}},
        "enqueue": [POINT],
        "finishes": finishes,
    }
    a_study(studies, "first-finish", "2" * 32, **alone)
    a_study(studies, "third", "3" * 32, **alone)
    folds = {
        "search": {**tiny_study(1)["search"], "folds.fold": {"type": "categorical", "choices": [0, 1]}},
        "enqueue": [{**POINT, "folds.fold": 1}],
        "crosses": {"study": "first", "study_id": study_id},
    }
    a_study(studies, "first-folds", "4" * 32, **folds)
    return first


def for_some_and_for_all(studies: Path | str, study_id: str) -> StudyFolder:
    """The study `young-finish`, which finishes `young` for patients below 60, and `young-finish-unified` beside it."""
    finishes = {"study": "young", "study_id": study_id, "configuration": 0}
    folds = {"fold": None, "population": [19, 60]}
    alone = {
        "search": {"patch_mix.temperature": {"type": "categorical", "choices": [0.2]}},
        "enqueue": [POINT],
    }
    for name, own_id, population in (
        ("young-finish", "5" * 32, [19, 60]),
        ("young-finish-unified", "6" * 32, "all"),
    ):
        recipe = {**tiny_study(1)["recipe"], "population": population, "folds": folds}
        made = {**finishes, "unified": population == "all"}
        a_study(studies, name, own_id, recipe=recipe, finishes=made, **alone)
    return StudyFolder.open(studies, "young-finish")
