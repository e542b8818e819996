"""The network for all patients that stands beside one for some of them, trained alike and read on the same patients."""

from __future__ import annotations

from pathlib import Path

from data.population import written
from data.settings import parse
from sweep.config.search_space import POPULATION
from sweep.config.study_config import StudyConfig
from sweep.evaluation.finished_units import FinishedUnits, finished_units
from sweep.evaluation.ledgers import ReadingError
from sweep.folder.study_folder import StudyFolder

SUFFIX = "-unified"
"""Beside a study NAME that finishes a configuration for some patients, NAME-unified finishes it for all."""
ALIKE = "data_hash", "fold_hash", "ages_hash", "weights_hash"
"""What two networks must have in common, in their provenance, to be compared."""


def unified_study(finishing: StudyConfig) -> StudyConfig | None:
    """Make the study that trains what a finishing one does, but on patients of any age; None where that one does so.

    All other settings and the seeds are the same, so that what differs in the end is who was trained on.
    """
    if finishing.finishes is None or finishing.any_recipe().population == "all":
        return None
    content = finishing.resolved().model_dump(mode="json")
    content["recipe"][POPULATION] = "all"
    if POPULATION in content["search"]:
        content["search"][POPULATION]["choices"] = ["all"]
        content["enqueue"] = [{**point, POPULATION: "all"} for point in content["enqueue"]]
    content["finishes"]["unified"] = True
    return parse(StudyConfig, content, "the network for all patients beside it")


def unified_folder(finishing: StudyFolder) -> StudyFolder:
    """Name the place of the study beside a finishing one whose network is for some patients, there or not."""
    return StudyFolder.find(finishing.studies, f"{finishing.name}{SUFFIX}")


def present_unified(finishing: StudyFolder) -> StudyFolder | None:
    """Find the study that was made to stand beside a finishing one, to which only its name ties it; None without."""
    own = finishing.config().finishes
    if own is None or not (beside := unified_folder(finishing)).exists:
        return None
    theirs = beside.config().finishes
    made_for_it = theirs is not None and theirs.unified and theirs.study_id == own.study_id
    return beside if made_for_it else None


def unified_units(finishing: StudyFolder, specialist: FinishedUnits, scratch: Path) -> FinishedUnits | None:
    """Fetch the networks for all patients that stand beside those of a finishing study, into the folder `scratch`.

    None where those are for all patients themselves. Raises ReadingError when there are none yet, or they were trained
    on something else or otherwise.
    """
    config = finishing.config()
    assert config.finishes is not None, "it finishes another study"
    if config.finishes.unified:
        specialists = finishing.name.removesuffix(SUFFIX)
        raise ReadingError(
            f"{finishing.place}: stands beside {specialists}, and is read together with that one: respsweep test "
            f"{StudyFolder.find(finishing.studies, specialists).arguments}"
        )
    recipe = specialist.recipe
    if recipe.population == "all":
        return None
    folder = unified_folder(finishing)
    searched = StudyFolder.at(finishing.studies, config.finishes.study).arguments
    again = (
        f"respsweep finish {searched} --configuration {config.finishes.configuration} --name {finishing.name}"
    )
    if not folder.exists or folder.board().best() is None:
        raise ReadingError(
            f"{finishing.place}: its networks are for {written(recipe.population)}, and those for all patients beside "
            f"them have not finished ({folder.place}); go on with: {again}"
        )
    theirs, known, own = folder.config().finishes, folder.provenance(), finishing.provenance()
    alike = {key: (known.get(key), own.get(key)) for key in ALIKE}
    other = next((key for key, (one, another) in alike.items() if one != another), None)
    if theirs is None or theirs.model_copy(update={"unified": False}) != config.finishes:
        other = "configuration"
    board = folder.board()
    if tuple(board.seeds) != tuple(specialist.weights):
        other = "seeds"
    (chosen,) = board.configurations
    unified = finished_units(folder, chosen, board.seeds, scratch / "unified")
    if unified.recipe.model_copy(update={"population": recipe.population}) != recipe:
        other = "recipe"
    if other is not None:
        raise ReadingError(
            f"{folder.place}: of another {other} than {finishing.place}, so that it is no network for all patients "
            f"beside that one; remove it, and: {again}"
        )
    return unified
