"""Each recording is answered by the networks for its patient's age, and refused where there are none for it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import DataError
from data.population import Population
from data.recordings import read_recordings
from data.settings import ConfigError
from sweep.evaluation.predict import NO_DIAGNOSIS, Predictor, load_predictor
from sweep.evaluation.recordings_of import recordings_of
from sweep.evaluation.routing import Router, ages_in_study, router
from sweep.folder.study_folder import StudyFolder
from sweep.report.plain_console import as_text
from sweep.report.prediction_table import prediction_csv, prediction_json, prediction_table

CHILD, ADULT = "41175538_7.2_0_p1_3007.wav", "41175538_30_0_p1_3007.wav"
"""Names in SPRSound's form, of patients of 7.2 and 30 years."""


@pytest.fixture
def predictor(first: StudyFolder) -> Predictor:
    return load_predictor(first)


def of(predictor: Predictor, population: Population) -> Predictor:
    return replace(predictor, recipe=predictor.recipe.model_copy(update={"population": population}))


@pytest.fixture
def routed(predictor: Predictor) -> Router:
    populations: dict[str, Population] = {"young": "child", "old": (18.0, 60.0), "every": "all"}
    return Router({name: of(predictor, population) for name, population in populations.items()}, {})


def test_a_recording_goes_to_the_networks_for_its_age_and_to_those_for_all_where_there_are_none(
    routed: Router,
) -> None:
    named = {"young": CHILD, "old": ADULT, "every": "41175538_70_0_p1_3007.wav"}
    for name, audio in named.items():
        assert routed.choose(Path(audio)) == name
    assert routed.choose(Path("breath.wav")) == "every"
    assert replace(routed, age_years=5.0).choose(Path("breath.wav")) == "young"
    # What the user says goes before what a name says.
    assert replace(routed, age_years=5.0).choose(Path(ADULT)) == "young"


def test_without_networks_for_all_an_unknown_or_another_age_is_refused(predictor: Predictor) -> None:
    alone = Router({"young": of(predictor, "child")}, {})
    assert alone.choose(Path(CHILD)) == "young"
    with pytest.raises(
        DataError, match=r"is 30 years old, and networks for children \(under 18 years\) alone answer"
    ):
        alone.choose(Path(ADULT))
    with pytest.raises(DataError, match=r"age is not known.*--age YEARS.*--also NAME"):
        alone.choose(Path("breath.wav"))


def test_the_age_of_a_studys_own_recording_is_that_of_the_data_set(
    first: StudyFolder, predictor: Predictor, tmp_path: Path
) -> None:
    recordings = read_recordings(recordings_of(first))
    known = ages_in_study(first.name, first.studies)
    own = recordings.part("train")[0]
    age = recordings.patients[own.patient].age_years
    assert age is not None
    alone = Router({"old": of(predictor, "adult")}, known)
    assert alone.age_of(own.path) == (age, age)
    assert alone.choose(own.path) == "old"
    # Another recording under the same name is not taken for that.
    other = recordings.part("train")[1].path
    assert alone.age_of(Path(shutil.copy(other, tmp_path / own.path.name))) is None


def test_answers_name_who_gave_them(routed: Router, first: StudyFolder, tmp_path: Path) -> None:
    breath = read_recordings(recordings_of(first)).part("train")[0].path
    answers = [routed.predict(Path(shutil.copy(breath, tmp_path / name))) for name in (CHILD, "breath.wav")]
    assert [answer.answered_by for answer in answers] == ["young", "every"]
    assert answers[0].probabilities.tolist() == answers[1].probabilities.tolist()
    lines = prediction_csv(answers, routed.labels).splitlines()
    assert lines[0].startswith("recording,row,start_s,end_s,answered_by,answer,")
    assert {line.split(",")[4] for line in lines[1:]} == {"young", "every"}
    told = json.loads(prediction_json(answers, routed.about()))
    assert [one["answered_by"] for one in told["recordings"]] == ["young", "every"]
    assert told["networks"]["old"]["population"] == "[18, 60]"
    assert "population" not in told["networks"]["every"]
    assert "answered by" in as_text(prediction_table(answers, routed.labels))
    notes = list(routed.notes())
    assert "young: for children (under 18 years)" in notes
    assert notes.count(NO_DIAGNOSIS) == 1


def test_one_network_for_all_answers_as_before(first: StudyFolder) -> None:
    alone = router([first.name], first.studies)
    breath = read_recordings(recordings_of(first)).part("train")[0].path
    assert alone.predict(breath).answered_by == ""
    assert alone.about()["study"].endswith("first-finish")
    assert prediction_csv([alone.predict(breath)], alone.labels).startswith(
        "recording,row,start_s,end_s,answer,"
    )


def test_networks_that_cannot_be_told_apart_are_refused(first: StudyFolder) -> None:
    with pytest.raises(ConfigError, match="first and first-finish are both for patients of any age"):
        router([first.name, "first-finish"], first.studies)
    with pytest.raises(ConfigError, match="first is named twice"):
        router([first.name, first.name], first.studies)
    with pytest.raises(ConfigError, match="age: must be 0 to below 150 years, got -1"):
        router([first.name], first.studies, age_years=-1)
