"""The study that finishes another trains its best configuration on everybody, and chooses nothing."""

import pytest

from sweep.evaluation.finish import FinishError, finishing_folder, finishing_study
from sweep.folder.study_folder import StudyFolder


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
    with pytest.raises(FinishError, match=r"chosen with the seeds 2; give fresh ones"):
        finishing_study(first, seeds=[2, 3])
    with pytest.raises(FinishError, match=r"configuration 7 has not finished all 2 seeds; those that have: "):
        finishing_study(first, 7)
    with pytest.raises(FinishError, match=r"finishes the study first already"):
        finishing_study(finished)
