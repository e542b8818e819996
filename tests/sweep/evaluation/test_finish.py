"""The study that finishes another trains its best configuration on everybody, and chooses nothing."""

import json
from pathlib import Path

import pytest

from data.bands import BandRanking, ranking_hash, written_ranking
from data.settings import ConfigError, parse
from sweep.config.study_config import StudyConfig
from sweep.evaluation.finish import FinishError, check_finishes, finishing_folder, finishing_study
from sweep.folder.study_folder import StudyFolder
from sweep.report.page.facts import report_facts
from sweep.report.which_configuration import NoConfigurationError


def test_the_best_configuration_is_trained_on_all_patients_with_fresh_seeds(first: StudyFolder) -> None:
    best = first.board().best()
    assert best is not None
    config = finishing_study(first)
    assert config.seeds == (3, 4)
    assert config.finishes is not None
    assert (config.finishes.study, config.finishes.configuration) == ("first", best.number)
    recipe = config.space.recipe(dict(config.enqueue[0]))
    assert recipe.folds.fold is None
    assert recipe.patch_mix.temperature == best.values["patch_mix.temperature"]
    assert (config.budget.configurations, config.pruner.name, config.racing.name) == (1, "none", "none")


def test_it_lies_beside_the_study_and_its_scores_are_of_what_it_learned(
    first: StudyFolder, finished: StudyFolder
) -> None:
    assert finishing_folder(first).path == finished.path
    (chosen,) = finished.board().configurations
    cycles = {sum(map(sum, unit.selected["confusion"])) for unit in chosen.units.values() if unit.selected}
    held_out = first.board().units()[0].selected
    assert held_out is not None
    # All cycles of the training part, five times those of a fold and more.
    assert cycles.pop() > 3 * sum(map(sum, held_out["confusion"]))
    assert not cycles
    assert not (finished.path / "predictions").exists()


def test_a_configuration_is_chosen_by_its_number(first: StudyFolder) -> None:
    other = first.board().ranking()[1]
    config = finishing_study(first, other.number, [9])
    assert config.seeds == (9,)
    assert dict(config.enqueue[0]) == other.values


def test_what_cannot_be_finished_is_refused(first: StudyFolder, finished: StudyFolder) -> None:
    with pytest.raises(FinishError, match=r"chosen with the seeds 2; give fresh ones, e\.g\. 3,4$"):
        finishing_study(first, seeds=[2, 3])
    with pytest.raises(NoConfigurationError, match=r"there is no configuration 7 among its 2$"):
        finishing_study(first, 7)
    with pytest.raises(FinishError, match=r"finishes the study first already"):
        finishing_study(finished)


def test_a_study_that_says_it_finishes_another_cannot_choose(first: StudyFolder) -> None:
    content = finishing_study(first).model_dump(mode="json")
    for spoilt in (
        {"budget": {"configurations": 30}},
        {"search": {"patch_mix.temperature": {"type": "float", "low": 0.02, "high": 0.5}}},
        {"recipe": {**content["recipe"], "folds": {"fold": 0}}},
        {"recipe": {**content["recipe"], "selection": "best"}},
    ):
        with pytest.raises(ConfigError, match=r"trains one configuration to its last epoch"):
            parse(StudyConfig, {**content, **spoilt}, "study")
    with pytest.raises(ConfigError, match=r"recipe.folds.fold: null holds nobody out"):
        parse(StudyConfig, {**content, "finishes": None}, "study")


def test_it_must_finish_the_study_as_it_is(first: StudyFolder, finished: StudyFolder) -> None:
    check_finishes(finished, first)
    known = first.provenance()
    first.write_provenance({**known, "data_hash": "0" * 64})
    with pytest.raises(FinishError, match=r"trained on something else than .*first \(data_hash"):
        check_finishes(finished, first)
    first.write_provenance({**known, "study_id": "another"})
    with pytest.raises(FinishError, match=r"finishes another study"):
        check_finishes(finished, first)


def test_weights_that_were_searched_may_be_others_than_those_the_search_began_with(
    first: StudyFolder, finished: StudyFolder
) -> None:
    known = first.provenance()
    first.write_provenance({**known, "weights_hash": "0" * 64})
    with pytest.raises(FinishError, match=r"trained on something else than .*first \(weights_hash"):
        check_finishes(finished, first)
    content = first.config().model_dump(mode="json")
    content["search"]["backbone.pretrained"] = {"type": "categorical", "choices": ["one.pth", "two.pth"]}
    first.write_config(parse(StudyConfig, content, "study"))
    check_finishes(finished, first)


def test_the_finished_configuration_begins_with_the_weights_that_the_search_saw(
    first: StudyFolder, finished: StudyFolder
) -> None:
    content = first.config().model_dump(mode="json")
    content["search"]["backbone.pretrained"] = {"type": "categorical", "choices": ["/one.pth", "/two.pth"]}
    first.write_config(parse(StudyConfig, content, "study"))
    ending = finished.config().model_dump(mode="json")
    ending["recipe"]["backbone"]["pretrained"] = "/two.pth"
    finished.write_config(parse(StudyConfig, ending, "study"))
    known, ours = first.provenance(), finished.provenance()
    first.write_provenance({**known, "searched_weights": {"/one.pth": "1" * 64, "/two.pth": "2" * 64}})
    finished.write_provenance({**ours, "weights_hash": "2" * 64})
    check_finishes(finished, first)
    finished.write_provenance({**ours, "weights_hash": "1" * 64})
    with pytest.raises(FinishError, match=r"\(weights_hash 1{12}, there 2{12}\)"):
        check_finishes(finished, first)


def test_length_and_network_that_were_searched_are_fixed(first: StudyFolder) -> None:
    number = first.board().ranking()[0].number
    values = {**first.board().configurations[number].values, "epochs": 1}
    content = first.config().model_dump(mode="json")
    content["search"] = {
        "epochs": {"type": "int", "low": 1, "high": 9},
        "patch_mix.temperature": {**content["search"]["patch_mix.temperature"], "when": {"epochs": [1]}},
    }
    first.write_config(parse(StudyConfig, content, "study"))
    lines = first.journal.read_text().splitlines()
    lines = [
        line.replace('"values": {', '"values": {"epochs": 1, ') if "ConfigurationAdded" in line else line
        for line in lines
    ]
    first.journal.write_text("\n".join(lines) + "\n")
    config = finishing_study(first, number)
    assert dict(config.enqueue[0]) == values
    assert config.space.recipe(values).epochs == 1


@pytest.mark.parametrize("keep", [32, 8])
def test_bands_that_were_searched_are_those_of_the_same_ranking(
    first: StudyFolder, tmp_path: Path, keep: int
) -> None:
    ranking = BandRanking(
        groups=(tuple(range(8)), tuple(range(8, 32))), scale=first.config().any_recipe().features.mel_scale
    )
    file = tmp_path / "ranking.json"
    file.write_text(written_ranking(ranking))
    content = first.config().model_dump(mode="json")
    content["recipe"]["features"]["bands"] = {"ranking": str(file)}
    content["search"]["features.bands.keep"] = {"type": "categorical", "choices": [8, 32]}
    first.write_config(parse(StudyConfig, content, "study"))
    file.unlink()
    journal = first.journal.read_text()
    first.journal.write_text(journal.replace('"values": {', f'"values": {{"features.bands.keep": {keep}, '))
    config = finishing_study(first)
    assert config.enqueue[0]["features.bands.keep"] == keep
    bands = None if keep == 32 else tuple(range(8))
    assert config.any_recipe().features.kept_bands == bands
    assert config.space.recipe(config.enqueue[0]).features.kept_bands == bands
    assert ranking_hash(config.recipe) == ranking_hash(first.config().recipe) is not None


@pytest.mark.parametrize("ranges", [((0, 31),), ((0, 7), (16, 31))])
def test_ranges_of_bands_that_were_searched_are_kept(
    first: StudyFolder, ranges: tuple[tuple[int, int], ...]
) -> None:
    content = first.config().model_dump(mode="json")
    content["search"]["features.bands.ranges"] = {"type": "categorical", "choices": [ranges]}
    first.write_config(parse(StudyConfig, content, "study"))
    journal = first.journal.read_text()
    written = json.dumps(ranges)
    first.journal.write_text(
        journal.replace('"values": {', f'"values": {{"features.bands.ranges": {written}, ')
    )
    config = finishing_study(first)
    wanted = first.config().space.recipe({"features.bands.ranges": ranges}).features.kept_bands
    assert config.any_recipe().features.kept_bands == wanted


def test_its_report_tells_what_it_trained_and_not_of_a_search(
    first: StudyFolder, finished: StudyFolder
) -> None:
    facts = report_facts(finished, 1.8e9)
    number = first.board().ranking()[0].number
    chosen = f"Configuration {number} of the study first, trained on all patients: "
    assert facts["answer"][0].startswith(chosen)
    assert "on the cycles that were trained on" in facts["answer"][0]
    assert "is best" not in " ".join(facts["answer"])
    assert facts["methods"].startswith(f"Configuration {number}, which the study first chose")
    assert "searched" not in facts["methods"]
    assert "score on training cycles" in facts["latex"]
    assert report_facts(first, 1.8e9)["methods"].startswith("We searched ")
