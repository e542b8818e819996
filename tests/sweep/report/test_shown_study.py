from pathlib import Path

from sweep.config.study_config import StudyConfig
from sweep.folder.note import write_note
from sweep.folder.study_folder import StudyFolder
from sweep.report.plain_console import as_text
from sweep.report.shown_study import shown_study
from tests.studies import tiny_study
from tests.sweep.family import a_family


def shown(folder: StudyFolder) -> str:
    return as_text(shown_study(folder), 400)


def test_a_study_is_said_to_be_what_it_is(tmp_path: Path) -> None:
    first = a_family(tmp_path, "1" * 32)
    write_note(first, "quiet room")
    lines = shown(first).splitlines()
    assert lines[0].startswith(f"{first.place}: over, since ")
    for expected in (
        "noted: quiet room",
        "data: synthetic breaths of 12 patients (seed 0), task icbhi (normal, crackle, wheeze, both); SHA-256: data "
        "dddddddddddd, fold ffffffffffff",
        "protocol: honest: scores are of held-out patients of the official training part, fold 0 of 5; the last epoch "
        "counts",
        "rules: maximises the score; sampler tpe, pruner none, race none, 2 seeds (1, 2)",
        "budget: configurations 1 of 1",
        "best: no. 0, score 65.0 ± 7.1 %",
        f"beside it: {tmp_path}/first-folds, which trains its finalists on the other folds of patients",
        f"beside it: {tmp_path}/third, which finishes it",
    ):
        assert expected in lines
    assert "patch_mix.temperature" in lines[-1] + lines[-2] + lines[-3]


def test_a_study_made_of_another_names_it(tmp_path: Path) -> None:
    a_family(tmp_path, "1" * 32)
    finishing = shown(StudyFolder.open(tmp_path, "first-finish"))
    assert (
        "finishes: configuration 0 of the study first, trained on all patients with fresh seeds" in finishing
    )
    assert "expect:" not in finishing
    crossing = shown(StudyFolder.open(tmp_path, "first-folds"))
    assert "crosses: trains the finalists of the study first on the other folds of patients" in crossing


def test_a_study_that_has_not_begun_has_no_best(tmp_path: Path) -> None:
    fresh = StudyFolder.at(tmp_path, "fresh").create(StudyConfig.model_validate(tiny_study(1)))
    text = shown(fresh)
    assert "not begun" in text
    assert "best" not in text
