"""Which studies the command that trains one trains after it, and when nothing of all that is left."""

from pathlib import Path
from typing import Any

import pytest

from data.errors import UserError
from sweep.config.study_config import StudyConfig
from sweep.driver.later_studies import later_studies, nothing_left
from sweep.evaluation.cross_fold_ranking import crossing_folder
from sweep.evaluation.cross_folds import crossing_study
from sweep.evaluation.unified_model import unified_folder, unified_study
from sweep.folder.study_folder import StudyFolder
from sweep.study.events import Event, StudyStarted, StudyStopped
from tests.studies import tiny_study
from tests.sweep.histories import added, trained, write_journal

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


TEMPERATURE = "patch_mix.temperature"
TRAINED: list[Event] = [
    StudyStarted((1, 2)),
    *added(0, **{TEMPERATURE: 0.2}),
    *trained(0, 1, 0.6),
    *trained(0, 2, 0.6),
]


def study(folder: StudyFolder, settings: dict[str, Any], *events: Event) -> StudyFolder:
    content = tiny_study(1, **{"seeds": [1, 2], **settings})
    folder.create(StudyConfig.model_validate(content))
    folder.write_provenance({"study_id": "0" * 32})
    write_journal(folder.journal, events)
    return folder


@pytest.mark.parametrize("settings", [{}, {"folds": "all"}], ids=["one fold", "all folds"])
@pytest.mark.parametrize("reason", ["budget spent: gpu_hours 2 of 2", "ended with seeds to come", None])
def test_a_study_that_was_stopped_or_runs_has_something_left(
    tmp_path: Path, settings: dict[str, Any], reason: str | None
) -> None:
    stopped = [] if reason is None else [StudyStopped(reason)]
    assert not nothing_left(study(StudyFolder(tmp_path / "first"), settings, *TRAINED, *stopped))


def test_a_study_that_is_over_with_none_after_it_has_nothing_left(tmp_path: Path) -> None:
    assert not nothing_left(StudyFolder(tmp_path / "first"))
    assert nothing_left(study(StudyFolder(tmp_path / "first"), {}, *TRAINED, StudyStopped("over")))


def test_nothing_comes_after_a_search_without_a_complete_configuration(tmp_path: Path) -> None:
    events = (*TRAINED[:-1], StudyStopped("over"))
    assert nothing_left(study(StudyFolder(tmp_path / "first"), {"folds": "all"}, *events))


def test_finalists_that_are_new_are_left_to_train_on_the_other_folds(tmp_path: Path) -> None:
    searched = study(StudyFolder(tmp_path / "first"), {"folds": "all"}, *TRAINED, StudyStopped("over"))
    assert not nothing_left(searched)
    crossing = crossing_folder(searched)
    crossing.create(crossing_study(searched))
    write_journal(crossing.journal, [StudyStarted((1, 2)), StudyStopped("interrupted")])
    assert not nothing_left(searched)
    write_journal(crossing.journal, [StudyStarted((1, 2)), StudyStopped("over")])
    assert nothing_left(searched)
    more = [*added(1, **{TEMPERATURE: 0.3}), *trained(1, 1, 0.6), *trained(1, 2, 0.6)]
    write_journal(searched.journal, [*TRAINED, *more, StudyStopped("over")])
    assert not nothing_left(searched)


def test_where_the_id_of_a_study_was_edited_away_what_is_left_is_told_as_not_known(tmp_path: Path) -> None:
    searched = study(StudyFolder(tmp_path / "first"), {"folds": "all"}, *TRAINED, StudyStopped("over"))
    crossing = crossing_folder(searched)
    crossing.create(crossing_study(searched))
    write_journal(crossing.journal, [StudyStarted((1, 2)), StudyStopped("over")])
    searched.write_provenance({"data_hash": "0123"})
    with pytest.raises(UserError, match=r"first/provenance\.yaml: has no study_id, .* put that line back"):
        nothing_left(searched)


def test_the_network_for_all_patients_is_left_to_train_with_all_seeds(tmp_path: Path) -> None:
    folder = study(StudyFolder(tmp_path / "first"), finishing("child"), *TRAINED, StudyStopped("over"))
    assert not nothing_left(folder)
    settings, unified = unified_study(folder.config()), unified_folder(folder)
    assert settings is not None
    unified.create(settings.model_copy(update={"seeds": (1,)}))
    write_journal(unified.journal, [StudyStarted((1,)), StudyStopped("over")])
    assert not nothing_left(folder)
    unified.write_config(settings)
    assert nothing_left(folder)
