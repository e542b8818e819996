import dataclasses
from pathlib import Path
from typing import Any

import pytest

from data.config import parse
from data.synthetic import write_breaths
from model.training.recipe import Recipe
from sweep.board import RATES
from sweep.config import ResourcesConfig
from sweep.recordings import Material, Recordings
from sweep.unit import UnitTrainable, unit_config

RECIPE: dict[str, Any] = {
    "backbone": {"name": "dass", "variant": "tiny"},
    "features": {"n_mels": 32, "frame_length_ms": 64, "frame_shift_ms": 64, "target_frames": 32},
    "optimiser": {"learning_rate": 1e-3},
    "epochs": 2,
}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("breaths")
    write_breaths(folder / "data", patients=12, seed=0)
    return Recordings(folder / "data", folder / "cache", progress=False).material(
        parse(Recipe, RECIPE, "test")
    )


def config(material: Material, folder: Path, seed: int = 1, **changes: Any) -> dict[str, Any]:
    return unit_config(
        0, seed, parse(Recipe, {**RECIPE, **changes}, "test"), material, folder, ResourcesConfig()
    )


def test_a_unit_reports_each_epoch_and_says_which_one_counts(material: Material, tmp_path: Path) -> None:
    unit = UnitTrainable(config(material, tmp_path))
    first, second = unit.train(), unit.train()
    assert [report["epoch"] for report in first["reports"]] == [1]
    assert [report["epoch"] for report in second["reports"]] == [2]
    assert set(RATES) <= set(first["reports"][0])
    assert (first["done"], second["done"], second["selected_epoch"]) == (False, True, 2)


def test_a_lost_unit_goes_on_from_its_checkpoint_and_tells_its_past_again(
    material: Material, tmp_path: Path
) -> None:
    whole = UnitTrainable(config(material, tmp_path / "whole"))
    expected = [report for _ in range(2) for report in whole.train()["reports"]]
    UnitTrainable(config(material, tmp_path / "lost")).train()
    again = UnitTrainable(config(material, tmp_path / "lost")).train()
    assert again["done"]
    for got, wanted in zip(again["reports"], expected, strict=True):
        assert {**got, "seconds": 0} == {**wanted, "seconds": 0}


def test_a_process_is_used_again_for_the_next_unit(material: Material, tmp_path: Path) -> None:
    unit = UnitTrainable(config(material, tmp_path, seed=1))
    unit.train()
    assert unit.reset(config(material, tmp_path, seed=2))
    reused = unit.train()["reports"]
    fresh = UnitTrainable(config(material, tmp_path / "fresh", seed=2)).train()["reports"]
    assert {**reused[0], "seconds": 0} == {**fresh[0], "seconds": 0}


def test_an_error_is_the_units_result(material: Material, tmp_path: Path) -> None:
    diverging = {"name": "sgd", "learning_rate": 1e30, "weight_blend": 0.0}
    result = UnitTrainable(config(material, tmp_path, optimiser=diverging)).train()
    assert result["done"]
    assert result["failure"].startswith("TrainingError: the training loss is")

    gone = dataclasses.replace(material, store=str(tmp_path / "gone"))
    result = UnitTrainable(config(gone, tmp_path / "other")).train()
    assert result["done"]
    assert str(tmp_path / "gone") in result["failure"].splitlines()[0]
