"""Files of pretrained weights that were changed after a study had searched with them."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from data.settings import parse
from model.training.recipe import Recipe
from sweep.config.study_config import StudyConfig
from sweep.evaluation.band_selection import recipe_and_recordings
from sweep.evaluation.finish import finishing_study
from sweep.evaluation.searched_weights import OtherWeightsError
from sweep.folder.study_folder import StudyFolder


def finished(folder: StudyFolder) -> Recipe:
    return finishing_study(folder).any_recipe()


def ranked(folder: StudyFolder) -> Recipe:
    return recipe_and_recordings(folder.name, folder.studies).recipe


@pytest.mark.parametrize("begins", [finished, ranked])
def test_a_file_of_weights_that_is_another_one_now_is_refused_before_anything_is_trained(
    first: StudyFolder, tmp_path: Path, begins: Callable[[StudyFolder], Recipe]
) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"another network")
    content = first.config().model_dump(mode="json")
    content["recipe"]["backbone"]["pretrained"] = str(weights)
    first.write_config(parse(StudyConfig, content, "study"))
    found = hashlib.sha256(b"another network").hexdigest()
    first.write_provenance({**first.provenance(), "weights_hash": found})
    assert begins(first).backbone.pretrained == str(weights)
    first.write_provenance({**first.provenance(), "weights_hash": "1" * 64})
    with pytest.raises(
        OtherWeightsError, match=rf"searched with other weights than .*1{{12}}, now {found[:12]}"
    ):
        begins(first)
