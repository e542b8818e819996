"""Whether a file of pretrained weights is still the one that a study searched with."""

from __future__ import annotations

from data.errors import UserError
from model.training.recipe import Recipe
from sweep.config.resumption import of_searched_weights
from sweep.config.study_config import WEIGHTS
from sweep.folder.study_folder import StudyFolder
from sweep.worker.weights import weights_of


class OtherWeightsError(UserError):
    """A file of pretrained weights that is not what it was when a study searched with it."""


def check_searched_weights(folder: StudyFolder, recipe: Recipe) -> None:
    """Raise OtherWeightsError when the weights that a recipe of a study names are not those that it began with.

    Nothing is asked where the study did not note their hash.
    """
    source, provenance = recipe.backbone.pretrained, folder.provenance()
    if source is None:
        return
    searched = WEIGHTS in folder.config().search
    known = of_searched_weights(provenance).get(source) if searched else provenance.get("weights_hash")
    if known is None:
        return
    weights = weights_of(recipe)
    if weights is not None and weights.sha256 != known:
        raise OtherWeightsError(
            f"{folder.place}: searched with other weights than {source} holds now (SHA-256 {str(known)[:12]}, now "
            f"{weights.sha256[:12]}); put that file back"
        )
