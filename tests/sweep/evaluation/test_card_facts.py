"""Networks leave a study as a folder that answers as the study does, with a card that tells what is known of them."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sweep
from data.dataset import SealedPartError
from data.errors import UserError
from data.recordings import read_recordings
from data.settings import ConfigError
from data.synthetic import write_breaths
from model.training.recipe import read_recipe
from sweep.driver.export import ExportError
from sweep.driver.weights_export import export_weights
from sweep.evaluation.card_facts import CardError, card_facts, study_recordings
from sweep.evaluation.cycles_table import cycles_of
from sweep.evaluation.finished_units import finished_units
from sweep.evaluation.predict import load_exported, load_predictor, predictor_named
from sweep.evaluation.recordings_of import recordings_of
from sweep.evaluation.test_reading import read_test_part
from sweep.folder.study_folder import FolderError, StudyFolder
from sweep.report.model_card_facts import CardFacts
from sweep.report.which_configuration import NoConfigurationError, which_configuration
from sweep.worker.unit_results import UnitResultError
from tests.sweep.command_line import respsweep


def facts_of(folder: StudyFolder, scratch: Path) -> CardFacts:
    board = folder.board()
    chosen = which_configuration(board, folder.place)
    units = finished_units(folder, chosen, board.seeds, scratch)
    return card_facts(folder, chosen, units, *study_recordings(folder))


@pytest.mark.slow
def test_a_folder_of_weights_answers_as_its_study_does(
    first: StudyFolder, finished: StudyFolder, tmp_path: Path
) -> None:
    recordings = read_recordings(recordings_of(first))
    breath = recordings.part("train")[3].path
    for folder, to in ((finished, tmp_path / "all"), (first, tmp_path / "search")):
        assert export_weights(folder, to) == to
        exported = load_exported(to)
        if folder is first:
            shutil.rmtree(finished.path)
        known = load_predictor(first)
        np.testing.assert_array_equal(
            exported.predict(breath).probabilities, known.predict(breath).probabilities
        )
        assert (exported.seeds, exported.learned) == (known.seeds, known.learned)
        alone = load_exported(to, known.seeds[1]).predict(breath).probabilities
        np.testing.assert_array_equal(
            alone, load_predictor(first, known.seeds[1]).predict(breath).probabilities
        )
        assert read_recipe(to / "recipe.yaml") == known.recipe
        # Under whatever name, wherever the study's recordings are.
        test = shutil.copy(recordings.part("test")[0].path, tmp_path / "mine.wav")
        with pytest.raises(
            SealedPartError,
            match=r"mine\.wav: refused, as it is a recording of the study's official test part",
        ):
            exported.predict(Path(test))
    with pytest.raises(ConfigError, match=r"seed: must be one of 1, 2, which .*search has, got 9"):
        load_exported(tmp_path / "search", 9)


def test_the_card_of_a_search_tells_who_was_trained_on_and_by_what_it_was_chosen(
    first: StudyFolder, tmp_path: Path
) -> None:
    facts = facts_of(first, tmp_path)
    board = first.board()
    recordings = read_recordings(recordings_of(first))
    held_out = board.ranking()[0].units[1].selected
    assert held_out is not None
    assert facts.heard is not None
    assert facts.heard.cycles + sum(map(sum, held_out["confusion"])) == len(cycles_of(recordings, ["train"]))
    assert sum(facts.heard.labels.values()) == facts.heard.cycles
    for values in facts.heard.groups.values():
        assert sum(cycles for cycles, _ in values.values()) == facts.heard.cycles
    assert (
        not {"0 to 5", "6 to 12", "13 to 17", "18 to 64", "65 and over"}
        & set(facts.heard.ages_unheard)
        & set(facts.heard.groups["age"])
    )
    assert facts.held_out == "the patients of validation fold 0 of 5"
    assert facts.data_name == "synthetic breaths of 12 patients, seed 0"
    assert facts.validation is not None
    assert facts.validation.metrics["score"] == board.ranking()[0].summary()
    assert "was chosen for its score among 2" in facts.validation.expectation
    assert (facts.tested, facts.readings, facts.finishes) == ((), 0, None)


def test_the_card_of_what_finishes_it_tells_its_readings_and_not_those_of_other_weights(
    first: StudyFolder, finished: StudyFolder, tmp_path: Path
) -> None:
    assert facts_of(finished, tmp_path).tested == ()
    read = read_test_part(finished)
    facts = facts_of(finished, tmp_path)
    assert facts.validation is not None
    assert (facts.finishes, facts.validation.study, facts.held_out) == ("first", "first", None)
    (reading,) = facts.tested
    assert reading.bundle == "test-1.bundle"
    assert reading.numbers["test"]["mean"] == read.numbers["parts"]["test"]["mean"]
    assert (facts.readings, facts.faults) == (1, ())
    # The search's own networks were not tested, though the recordings were read.
    searched = facts_of(first, tmp_path)
    assert (searched.tested, searched.readings) == ((), 1)
    # A bundle that was exchanged is not believed: the numbers are those of the ledger.
    (finished.path / "test-1.bundle").write_bytes(b"another")
    (reading,) = facts_of(finished, tmp_path).tested
    assert reading.bundle is None
    assert reading.numbers["test"]["mean"]["score"] == read.numbers["parts"]["test"]["mean"]["score"]
    assert "groups" not in reading.numbers["test"]
    shutil.rmtree(first.path)
    assert facts_of(finished, tmp_path).validation is None


def test_where_the_recordings_are_not_at_hand_the_card_says_so(first: StudyFolder, tmp_path: Path) -> None:
    here = recordings_of(first)
    first.write_config(first.config().model_copy(update={"data": str(tmp_path / "away")}))
    facts = facts_of(first, tmp_path)
    assert facts.heard is None
    assert "away: found nothing there" in facts.unheard
    assert facts.data_name == "away"
    export_weights(first, tmp_path / "blind")
    assert not (tmp_path / "blind" / "test_part.sha256").exists()
    assert any(
        "were not known when the weights were exported" in line
        for line in load_exported(tmp_path / "blind").notes()
    )
    export_weights(first, tmp_path / "seeing", data=here)
    assert (tmp_path / "seeing" / "test_part.sha256").exists()
    write_breaths(tmp_path / "other", patients=5, seed=7)
    with pytest.raises(
        CardError, match=r"other: other recordings \(data_hash .* than the study learned from"
    ):
        export_weights(first, tmp_path / "wrong", data=tmp_path / "other")
    assert not (tmp_path / "wrong").exists()


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(
    first: StudyFolder, finished: StudyFolder, tmp_path: Path
) -> None:
    to = tmp_path / "to"
    loser = first.board().ranking()[1].number
    with pytest.raises(
        UnitResultError,
        match=rf"no such weights; .* train it anew, with fresh seeds: respsweep finish first .*--configuration {loser}$",
    ):
        export_weights(first, to, loser)
    with pytest.raises(NoConfigurationError, match="there is no configuration 7 among its 2"):
        export_weights(first, to, 7)
    weights = finished.units / "0000-seed4" / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-40])
    with pytest.raises(UnitResultError, match="weights of 0000-seed4: not a file of weights"):
        export_weights(finished, to)
    weights.unlink()
    with pytest.raises(UnitResultError, match=r"respsweep finish first .*--name first-finish-2$"):
        export_weights(finished, to)
    weights.write_bytes(content)
    assert not to.exists()
    to.mkdir()
    (to / "mine.txt").touch()
    with pytest.raises(
        ExportError, match="to: there is something already; give a folder that is new or empty"
    ):
        export_weights(finished, to)
    assert [path.name for path in to.iterdir()] == ["mine.txt"]
    with pytest.raises(ExportError, match=r"mine\.txt: there is something already"):
        export_weights(finished, to / "mine.txt")
    with pytest.raises(ExportError, match=r"gone/to: cannot be written: No such file"):
        export_weights(finished, tmp_path / "gone" / "to")
    (to / "mine.txt").unlink()
    export_weights(finished, to)
    assert {path.name for path in to.iterdir()} == {
        "0000-seed3.safetensors",
        "0000-seed4.safetensors",
        "recipe.yaml",
        "README.md",
        "test_part.sha256",
    }
    assert not list(tmp_path.glob(".draft-*"))


def test_a_name_means_a_study_before_a_folder(
    first: StudyFolder, studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    export_weights(first, tmp_path / "given", first.board().ranking()[0].number)
    shutil.copytree("given", "first")
    assert predictor_named("first", studies).study.endswith("first-finish")
    assert predictor_named("given", studies).study == "given (study first)"
    assert predictor_named("./first", studies).study == "first (study first)"
    with pytest.raises(FolderError, match="that is a place: its name is first"):
        predictor_named("studies/first", "elsewhere")
    with pytest.raises(ConfigError, match="leave it out"):
        predictor_named("given", studies, data=tmp_path)
    (tmp_path / "given" / "recipe.yaml").unlink()
    with pytest.raises(UserError, match=r"given: no recipe\.yaml in it"):
        predictor_named("given", studies)


def test_commands_and_python_export_weights_and_predict_with_them(
    studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "given"
    arguments = ("export", "first", "--weights", to, "--studies", studies)
    assert respsweep(monkeypatch, *arguments, "--output", "a.yaml") == 1
    assert "--weights, --curves, --bundle and --output: give one of them" in capfd.readouterr().err
    assert respsweep(monkeypatch, *arguments) == 0
    assert f"{to}: weights, recipe.yaml and the model card README.md" in capfd.readouterr().out
    breath = read_recordings(recordings_of(StudyFolder.open(studies, "first"))).part("train")[3].path
    assert respsweep(monkeypatch, "predict", to, breath, "--format", "csv") == 0
    printed = capfd.readouterr()
    assert printed.out.splitlines()[0].startswith("recording,row,start_s")
    assert f"networks: {to} (study first), configuration 0, seeds 1, 2" in printed.err
    study: Any = sweep.open("first", studies=studies)
    assert study.export_weights(tmp_path / "python", 0) == tmp_path / "python"
    for wrong in ({"path": 3}, {"path": "x", "data": 3}, {"path": "x", "configuration": -1}):
        with pytest.raises(ConfigError):
            study.export_weights(**wrong)
