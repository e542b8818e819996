from pathlib import Path
from typing import Any

import pytest
import yaml

from data.settings import ConfigError, parse
from model.training.recipe import Recipe, exported_objective, read_recipe
from sweep.driver.export import ExportError, export_configuration
from sweep.study.board import Board
from sweep.study.events import StudyStarted
from sweep.study.units import Configuration
from tests.sweep.histories import added, trained

RECIPE = parse(
    Recipe,
    {
        "backbone": {"variant": "tiny"},
        "smoothing": {"stage": None, "blocks": [0, 1]},
        "patch_mix": {"axes": ["time"], "temperature": 0.0612345678901234},
        "optimiser": {"learning_rate": 1e-05, "clip_norm": None},
    },
    "recipe",
)
PROVENANCE = {
    "task": "icbhi",
    "data_hash": "0123",
    "fold_hash": "4567",
    "commit": "89ab",
    "versions": {"torch": "2.11.0"},
}


def board_of(*scores: float) -> tuple[Board, Configuration]:
    board = Board(range(1, len(scores) + 1), added(0, **{"patch_mix.axes": ("time",)}))
    for seed, score in enumerate(scores, start=1):
        for event in trained(0, seed, score):
            board.apply(event)
    return board, board.configurations[0]


def exported(path: Path, *scores: float) -> dict[str, Any]:
    board, best = board_of(*scores)
    export_configuration(path, "first", board, best, RECIPE, PROVENANCE)
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_export_is_read_back_as_the_same_recipe(tmp_path: Path) -> None:
    exported(tmp_path / "best.yaml", 0.5, 0.7)
    read = read_recipe(tmp_path / "best.yaml")
    assert read == RECIPE
    assert read.digest() == RECIPE.digest()


def test_the_export_says_how_made_up_recordings_are_made_again(tmp_path: Path) -> None:
    board, best = board_of(0.5, 0.7)
    again = "respsweep synth DIR --patients 12 --seed 0"
    made = {**PROVENANCE, "synthetic": {"again": again, "patients": 12, "seed": 0}}
    export_configuration(tmp_path / "best.yaml", "first", board, best, RECIPE, made)
    text = (tmp_path / "best.yaml").read_text(encoding="utf-8")
    assert f"\n# Its recordings are made up: {again}\n" in text
    assert yaml.safe_load(text)["provenance"]["synthetic"]["patients"] == 12
    exported(tmp_path / "best.yaml", 0.5, 0.7)
    assert "made up" not in (tmp_path / "best.yaml").read_text(encoding="utf-8")


def test_the_export_says_where_it_comes_from(tmp_path: Path) -> None:
    provenance = exported(tmp_path / "best.yaml", 0.5, 0.7)["provenance"]
    assert provenance["study"] == "first"
    assert provenance["configuration"] == 0
    assert provenance["chosen_among"] == 1
    assert provenance["searched"] == {"patch_mix.axes": ["time"]}
    assert provenance["seeds"] == [1, 2]
    assert provenance["score"] == {"mean": pytest.approx(0.6), "sd": pytest.approx(0.02**0.5), "seeds": 2}
    assert provenance["sensitivity"]["mean"] == pytest.approx(0.5)
    assert provenance["specificity"]["mean"] == pytest.approx(0.7)
    assert "validation fold 0 of 5" in provenance["scored_on"]
    assert provenance["recipe_digest"] == RECIPE.digest()
    assert provenance.items() >= PROVENANCE.items()


def test_the_export_says_that_it_was_chosen_what_to_expect_and_who_is_tied(tmp_path: Path) -> None:
    events = [*added(0, 1, 2)]
    for number, scores in enumerate([(0.60, 0.62, 0.64), (0.61, 0.64, 0.66), (0.40, 0.41, 0.43)]):
        events += [event for seed, score in enumerate(scores, 1) for event in trained(number, seed, score)]
    board = Board((1, 2, 3), events)
    for number in (1, 2):
        path = tmp_path / f"{number}.yaml"
        export_configuration(path, "first", board, board.configurations[number], RECIPE, PROVENANCE)
        provenance = yaml.safe_load(path.read_text(encoding="utf-8"))["provenance"]
        expected = provenance["expected_score"]
        assert expected["mean"] == pytest.approx(provenance["score"]["mean"] - expected["luck"])
        assert expected["low"] < expected["mean"] < expected["high"]
        assert provenance["tied_with_best"] == [0]
    best, other = ((tmp_path / f"{number}.yaml").read_text(encoding="utf-8") for number in (1, 2))
    assert "\n# No. 1 was chosen for its score among 3; expected to be " in best
    assert "\n# No. 2 is not the best of 3; expected to be " in other
    assert "held-out" not in best


def test_one_seed_is_exported_without_a_deviation(tmp_path: Path) -> None:
    assert exported(tmp_path / "best.yaml", 0.5)["provenance"]["score"] == {
        "mean": 0.5,
        "sd": None,
        "seeds": 1,
    }


def test_the_export_opens_by_saying_what_it_is_and_how_to_use_it(tmp_path: Path) -> None:
    exported(tmp_path / "other.yaml", 0.5, 0.7)
    what, chosen, how = (tmp_path / "other.yaml").read_text(encoding="utf-8").splitlines()[:3]
    assert what == (
        "# The best configuration of the study first: 60.0 ± 14.1 % ICBHI Score on the patients by whose scores "
        "configurations were chosen."
    )
    assert chosen == "# No. 0 is the only configuration: nothing was chosen."
    assert how == "# respsweep train other.yaml --data DIR --task icbhi --seed 1"


def test_an_export_that_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"none/best\.yaml: cannot be written: No such file"):
        exported(tmp_path / "none" / "best.yaml", 0.5)
    (tmp_path / "taken").mkdir()
    with pytest.raises(ExportError, match="taken: cannot be written: Is a directory"):
        exported(tmp_path / "taken", 0.5)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_another_objective_is_named_with_what_to_expect_of_it(tmp_path: Path) -> None:
    events = [StudyStarted((1, 2, 3), objective="any_abnormal"), *added(0, 1)]
    for number, scores in enumerate([(0.60, 0.62, 0.64), (0.61, 0.64, 0.66)]):
        for seed, score in enumerate(scores, 1):
            events += trained(number, seed, score, any_abnormal_score=score + (0.2 if number == 0 else 0.1))
    board, path = Board(events=events), tmp_path / "best.yaml"
    best = board.best()
    assert best is not None
    export_configuration(path, "first", board, best, RECIPE, PROVENANCE)
    text = path.read_text(encoding="utf-8")
    provenance = yaml.safe_load(text)["provenance"]
    assert (provenance["configuration"], provenance["objective"]) == (0, "any_abnormal")
    assert provenance["expected_any_abnormal_score"]["mean"] == pytest.approx(0.82, abs=0.02)
    assert "expected_score" not in provenance
    assert text.startswith(
        "# The best configuration of the study first: 82.0 ± 2.0 % any-abnormal score on the patients"
    )
    assert exported_objective(path) == "any_abnormal"


def test_an_objective_that_nobody_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "best.yaml"
    path.write_text("recipe: {}\nprovenance: {objective: auc}\n")
    with pytest.raises(
        ConfigError, match=r"best.yaml: provenance.objective: must be one of score, .* got 'auc'"
    ):
        exported_objective(path)
    path.write_text("recipe: {}\nprovenance: {study: first}\n")
    assert exported_objective(path) == "score"
