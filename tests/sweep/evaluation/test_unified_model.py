"""Networks for some patients are finished and read beside networks for all, on the same patients."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from data.recordings import read_recordings
from data.settings import ConfigError, parse
from evidence.bundle import read_bundle
from evidence.ledger import read_ledger
from evidence.reading import reading_numbers
from evidence.shown_numbers import shown_numbers
from evidence.verify import differences, summary
from sweep.config.study_config import StudyConfig
from sweep.evaluation.finish import finishing_study
from sweep.evaluation.ledgers import ReadingError
from sweep.evaluation.recordings_of import recordings_of
from sweep.evaluation.test_reading import read_test_part
from sweep.evaluation.unified_model import unified_folder, unified_study
from sweep.folder.study_folder import StudyFolder
from tests.studies import tiny_study
from tests.sweep.evaluation.trained_studies import trained

YOUNG = [19, 60]
TINY = tiny_study(1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudyFolder]:
    """A finished network for patients below 60, as made up ones are 19 and older, of a study that has one for all."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RESPSWEEP_CACHE", str(tmp_path_factory.mktemp("cache")))
        studies = tmp_path_factory.mktemp("studies")
        recipe = {**TINY["recipe"], "folds": {"folds": 2, "population": YOUNG}}
        search = {"population": {"type": "categorical", "choices": ["all", YOUNG]}}
        config = StudyConfig.model_validate(
            {**TINY, "recipe": recipe, "search": search, "sampler": {"name": "grid"}}
        )
        searched = trained(studies, "young", config)
        number = next(
            one.number for one in searched.board().configurations if one.values["population"] != "all"
        )
        finishing = trained(studies, "young-finish", finishing_study(searched, number, [3, 4, 5]))
        with pytest.raises(ReadingError, match=r"those for all patients beside them have not finished"):
            read_test_part(finishing)
        unified = unified_study(finishing.config())
        assert unified is not None
        trained(studies, unified_folder(finishing).name, unified)
        yield finishing


@pytest.mark.slow
def test_the_network_for_all_is_trained_alike_but_for_its_patients(finished: StudyFolder) -> None:
    own, unified = finished.config(), unified_folder(finished).config()
    assert own.any_recipe().population == (19.0, 60.0)
    assert unified.any_recipe() == own.any_recipe().model_copy(update={"population": "all"})
    assert (unified.seeds, unified.finishes and unified.finishes.unified) == (own.seeds, True)
    assert unified_study(unified) is None


def test_both_are_read_under_one_seal_on_the_patients_of_the_population(finished: StudyFolder) -> None:
    reading = read_test_part(finished)
    bundle, digest = read_bundle(Path(reading.bundle))
    assert differences(bundle) == []
    assert set(bundle.predictions) == {(number, seed) for number in (0, 1) for seed in (3, 4, 5)}
    recordings = read_recordings(recordings_of(finished))
    ages = {number: patient.age_years or 0 for number, patient in recordings.patients.items()}
    tested = [recording.patient for recording in recordings.part("test") for _ in recording.cycles]
    young = [patient for patient in tested if 19 <= ages[patient] < 60]
    assert 0 < len(young) < len(tested)
    assert bundle.cycles.patients.tolist() == young
    (found,) = reading.numbers["parts"].values()
    unified = found["unified"]
    assert set(unified["seeds"]) == {"3", "4", "5"}
    for number, told in ((0, found), (1, unified)):
        for seed in (3, 4, 5):
            right = bundle.predictions[number, seed].argmax(1) == bundle.cycles.labels
            assert np.trace(told["seeds"][str(seed)]["confusion"]) == right.sum()
    if unified["above"] is not None:
        assert unified["above"][0] == pytest.approx(found["mean"]["score"] - unified["mean"]["score"])
    sealed, read = read_ledger(finished.path / "ledger.jsonl").entries[:2]
    assert sealed.content["population"] == [19.0, 60.0]
    assert set(sealed.content["unified"]["weights"]) == {"3", "4", "5"}
    assert set(sealed.content["unified"]["weights"].values()).isdisjoint(sealed.content["weights"].values())
    assert read.content["numbers"]["test"]["unified"]["mean"] == unified["mean"]
    assert "of the population [19, 60]" in "\n".join(summary(bundle, digest))
    told = "\n".join(shown_numbers(bundle.kind, bundle.about, reading_numbers(bundle)))
    assert "networks for all patients, on the same: score" in told


def test_the_network_for_all_is_not_read_by_itself(finished: StudyFolder) -> None:
    with pytest.raises(ReadingError, match="is read together with that one: respsweep test young-finish"):
        read_test_part(unified_folder(finished))


def test_a_study_for_all_patients_is_not_called_one_beside_another(finished: StudyFolder) -> None:
    content = finished.config().model_dump(mode="json")
    content["finishes"]["unified"] = True
    with pytest.raises(ConfigError, match=r"finishes\.unified"):
        parse(StudyConfig, content, "study")
