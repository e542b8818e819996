"""Recipe and weights of finished units, as they were kept."""

from pathlib import Path

import pytest

from sweep.evaluation.finished_units import finished_units
from sweep.folder.study_folder import StudyFolder
from sweep.worker.unit_results import UnitResultError


def test_each_seed_has_its_weights_to_the_byte(finished: StudyFolder, tmp_path: Path) -> None:
    (chosen,) = finished.board().configurations
    units = finished_units(finished, chosen, [4, 3], tmp_path)
    assert list(units.weights) == [4, 3]
    for seed, path in units.weights.items():
        kept = (finished.units / f"0000-seed{seed}" / "weights.safetensors").read_bytes()
        assert path.read_bytes() == kept
    assert len(set(units.sha256.values())) == 2
    assert units.recipe.patch_mix.temperature == chosen.values["patch_mix.temperature"]


def test_a_configuration_that_lost_has_no_weights(first: StudyFolder, tmp_path: Path) -> None:
    with pytest.raises(UnitResultError, match="no such weights"):
        finished_units(first, first.board().ranking()[1], [1], tmp_path)
