from pathlib import Path
from typing import Any

import pytest

from sweep.config.study_config import StudyConfig, read_study
from sweep.report.special_points import BASELINE, PAPER, special_points
from sweep.study.board import Board
from sweep.study.events import ConfigurationAdded

ROOT = Path(__file__).parents[3]


def marks(config: StudyConfig, *points: dict[str, Any]) -> dict[int, tuple[str, ...]]:
    values = [{path: tuple(v) if isinstance(v, list) else v for path, v in point.items()} for point in points]
    board = Board((1,), [ConfigurationAdded(number, point) for number, point in enumerate(values)])
    return special_points(config, board)


@pytest.mark.parametrize("space", ["lung_srad", "quickstart"])
def test_the_point_that_shipped_files_enqueue_is_the_papers(space: str) -> None:
    config = read_study(ROOT / "search_spaces" / f"{space}.yaml")
    enqueued = config.enqueue[0]
    found = marks(config, enqueued, {**enqueued, "patch_mix.temperature": 0.3})
    assert PAPER in found[0]
    assert 1 not in found


def test_the_files_own_recipe_is_the_baseline() -> None:
    search = {
        "patch_mix.temperature": {"type": "float", "low": 0.02, "high": 0.5},
        "patch_mix.axes": {"type": "categorical", "choices": [["time"], ["time", "frequency"]]},
        "smoothing.stage": {"type": "categorical", "choices": [None, 2]},
        "smoothing.sigma": {"type": "float", "low": 1, "high": 5, "when": "smoothing.stage"},
    }
    recipe = {"patch_mix": {"temperature": 0.1, "axes": ["time"]}, "smoothing": {"stage": None}}
    config = StudyConfig.model_validate({"search": search, "recipe": recipe})
    own = {"patch_mix.temperature": 0.1, "patch_mix.axes": ["time"], "smoothing.stage": None}
    papers = {
        "patch_mix.temperature": 0.2,
        "patch_mix.axes": ["time", "frequency"],
        "smoothing.stage": 2,
        "smoothing.sigma": 3.0,
    }
    assert marks(config, own, papers, {**own, "smoothing.stage": 2, "smoothing.sigma": 3.0}) == {
        0: (BASELINE,),
        1: (PAPER,),
    }


def test_no_configuration_of_another_network_is_the_papers() -> None:
    search = {"optimiser.learning_rate": {"type": "float", "low": 1e-5, "high": 1e-3}}
    recipe = {"backbone": {"name": "cnn_tsa", "variant": "three_blocks"}, "smoothing": {"stage": None}}
    config = StudyConfig.model_validate({"search": search, "recipe": recipe})
    assert marks(config, {"optimiser.learning_rate": 5e-5}) == {0: (BASELINE,)}


def test_a_searched_field_of_an_own_network_that_the_recipe_does_not_set_is_no_baseline() -> None:
    search = {"backbone.config.width": {"type": "categorical", "choices": [8, 16]}}
    recipe = {"backbone": {"name": "a:B", "config": {"layers": 1}}, "smoothing": {"stage": None}}
    config = StudyConfig.model_validate({"search": search, "recipe": recipe})
    assert marks(config, {"backbone.config.width": 8}) == {}


def test_ranges_of_bands_stand_in_no_recipe_and_so_are_no_baseline() -> None:
    config = read_study(ROOT / "search_spaces" / "cnn_tsa_bands.yaml")
    assert marks(config, {"features.bands.ranges": ((0, 31),)}) == {}
