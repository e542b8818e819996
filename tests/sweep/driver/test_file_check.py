"""What is said of a study file or a recipe, right or wrong in many ways at once."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from data.settings import ConfigError
from model.training.recipe import Recipe
from sweep.driver.file_check import check_file
from tests.studies import TINY_RECIPE, tiny_study

SHIPPED = sorted((Path(__file__).parents[3] / "search_spaces").glob("*.yaml"))


def problems(path: Path, content: Any) -> list[str]:
    """What is said of a file with this content, without the file's name."""
    path.write_text(yaml.safe_dump(content))
    found = check_file(path)
    assert bool(found.summary) != bool(found.problems)
    assert all(line.startswith(f"{path}: ") for line in found.problems)
    return [line.removeprefix(f"{path}: ") for line in found.problems]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_studies_are_in_order(path: Path) -> None:
    found = check_file(path)
    assert found.problems == ()
    assert found.summary.startswith(f"{path}: a study in order: ")
    assert "\n" not in found.summary


def test_everything_that_is_wrong_with_a_study_is_said_at_once(tmp_path: Path) -> None:
    search = {
        "optimiser.learning_rte": {"type": "float", "low": 0.1, "high": 0.01},
        "patch_mix.temprature": {"type": "float", "low": 0.1, "high": 0.5},
        "smoothing.sigma": {"type": "float", "low": 1, "high": 2, "when": "optimiser.learning_rte"},
    }
    study = {
        "data": {"patients": 4},
        "recipe": {"epochs": 7, "backbone": {"varaint": "tiny"}},
        "search": search,
        "sampler": "tpee",
    }
    found = problems(tmp_path / "study.yaml", study)
    assert [line.partition(": ")[0] for line in found] == [
        "data.patients",
        "search.optimiser.learning_rte",
        "sampler.name",
        "search.optimiser.learning_rte",
        "search.patch_mix.temprature",
        "recipe",
    ]
    assert found[1].endswith("low 0.1 is above high 0.01")
    assert found[3].endswith("no such field; did you mean optimiser.learning_rate?")
    assert found[5] == "recipe: backbone.varaint: no such field; did you mean backbone.variant?"


def test_settings_that_do_not_go_together_are_said_together(tmp_path: Path) -> None:
    study = tiny_study(1, budget={"gpu_hours": 4}, folds="all", protocol="published", leak=True)
    study["search"]["smoothing.sigma"] = {"type": "float", "low": 1, "high": 2, "when": "smothing.stage"}
    assert [line.split(":")[0] for line in problems(tmp_path / "study.yaml", study)] == [
        "budget.gpu_hours",
        "leak",
        "folds",
        "search.smoothing.sigma",
    ]


def test_of_many_points_that_cannot_be_tried_some_are_told(tmp_path: Path) -> None:
    points = [{"patch_mix.temperature": 9.0}] * 13
    found = problems(tmp_path / "study.yaml", tiny_study(1, enqueue=points))
    assert found[0] == "enqueue.0: patch_mix.temperature: 9.0 is outside what the study searches"
    assert found[10:] == ["enqueue: 3 other points cannot be tried either"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"parameters": {}}, "parameters: no such field; what other tools call so is search here"),
        (
            {"pruner": {"name": "threshold", "arguments": {"lower": 1, "upper": 0}}},
            "pruner.arguments: Optuna's ThresholdPruner refuses them",
        ),
        (
            {"recipe": {"backbone": {"variant": "tiny", "pretrained": "gone.pth"}}},
            "backbone.pretrained: gone.pth: no such file",
        ),
    ],
)
def test_what_a_run_refuses_of_the_file_is_refused(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    (found,) = problems(tmp_path / "study.yaml", tiny_study(1, **changes))
    assert found.startswith(complaint)


def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        check_file(tmp_path / "gone.yaml")


def test_a_recipe_is_told_from_a_study(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    # Settings of folds are a recipe's, the word `all` is a study's.
    for content in (TINY_RECIPE, {"recipe": TINY_RECIPE}, {**TINY_RECIPE, "folds": {"folds": 3}}):
        assert problems(path, content) == []
        assert check_file(path).summary.startswith(
            f"{path}: a recipe in order: dass tiny, 50 epochs; respsweep"
        )
    assert problems(path, {"recipe": TINY_RECIPE, "folds": "all"}) == ["search: required, but not given"]
    assert problems(path, {"epoch": 7, "batch_size": 1}) == [
        "batch_size: must be greater than or equal to 2, got 1",
        "epoch: no such field; did you mean epochs?",
    ]
    assert problems(path, {"seeds": [1]}) == ["search: required, but not given"]


def test_an_exported_recipe_that_was_changed_since_is_told(tmp_path: Path) -> None:
    path, recipe = tmp_path / "best.yaml", Recipe.model_validate(TINY_RECIPE)
    provenance = {"study": "first", "configuration": 7, "recipe_digest": recipe.digest()}
    exported = {"recipe": recipe.model_dump(mode="json"), "provenance": provenance}
    assert problems(path, exported) == []
    assert ", of study first, configuration 7; " in check_file(path).summary
    exported["recipe"] = {**exported["recipe"], "epochs": 7}
    (found,) = problems(path, exported)
    assert found.startswith(f"provenance.recipe_digest: {recipe.digest()[:12]} is of another recipe")
    provenance["objective"] = "luck"
    assert problems(path, exported)[0].startswith("provenance.objective: must be one of score")


@pytest.mark.parametrize("kind", ["study", "recipe"])
def test_an_own_network_that_cannot_be_had_is_told(tmp_path: Path, kind: str) -> None:
    recipe = {"backbone": {"name": "nowhere:Net"}, "smoothing": {"stage": None}, "patch_mix": {"axes": []}}
    search = {"optimiser.learning_rate": {"type": "float", "low": 1e-5, "high": 1e-3}}
    path = tmp_path / "file.yaml"
    path.write_text(yaml.safe_dump({"recipe": recipe, **({"search": search} if kind == "study" else {})}))
    (problem,) = check_file(path).problems
    assert "nowhere:Net: module nowhere cannot be imported" in problem
