from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from data.bands import read_ranking, written_ranking
from data.batches import Examples
from data.settings import ConfigError, parse
from data.synthetic import write_breaths
from model.attribution import STEPS
from model.training.recipe import Recipe
from sweep.evaluation import band_selection
from sweep.evaluation.band_selection import (
    BandSelection,
    class_importances,
    least_bands,
    rank_bands,
    recipe_and_recordings,
    with_bands,
)
from sweep.evaluation.kept_networks import KeptNetworks
from sweep.worker.prepared_data import DataPreparation

TINY: dict[str, Any] = {
    "backbone": {"name": "cnn_tsa", "variant": "tiny"},
    "smoothing": {"stage": None},
    "patch_mix": {"axes": []},
    "features": {
        "sample_rate": 4000,
        "duration_s": 2,
        "n_mels": 20,
        "frame_length_ms": 64,
        "frame_shift_ms": 64,
        "target_frames": None,
    },
    "folds": {"folds": 2},
    "epochs": 1,
}


class OfOneBand(nn.Module):
    """Logit c is the mean of the squares in band 3 + c."""

    def forward(self, x: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch classes"]:
        return x.square().mean(dim=1)[:, 3:7]


@pytest.mark.parametrize(
    ("mode", "places"), [("fill", (0, 1)), ("drop", (3, 4))], ids=["among zeros", "left alone"]
)
def test_each_class_has_a_row_with_the_bands_that_its_logit_knows(mode: str, places: tuple[int, int]) -> None:
    # Kept are bands 3 to 18: among zeros the network sees band 3 where it was, else at place 0.
    features = {**TINY["features"], "band_mode": mode, "bands": {"ranges": [[3, 18]]}}
    recipe = parse(Recipe, {**TINY, "features": features}, "test")
    cycles = torch.randn(6, 10, 20, generator=torch.Generator().manual_seed(0))
    examples = Examples(cycles, torch.tensor([0, 1, 0, 1, 0, 1]))
    found = class_importances(
        OfOneBand().eval(), examples, recipe, torch.device("cpu"), "integrated_gradients"
    )
    expected = torch.zeros(2, 16, dtype=torch.float64)
    expected[0, places[0]] = expected[1, places[1]] = 1
    assert torch.allclose(torch.from_numpy(found), expected, atol=1e-9)


def test_within_a_batch_steps_of_integrated_gradients_tell_how_many_cycles_are_done() -> None:
    recipe = parse(Recipe, {**TINY, "batch_size": 4}, "test")
    cycles = torch.randn(6, 10, 20, generator=torch.Generator().manual_seed(0))
    examples, told = Examples(cycles, torch.tensor([0, 1, 0, 1, 0, 1])), list[int]()
    arguments = (OfOneBand().eval(), examples, recipe, torch.device("cpu"))
    class_importances(*arguments, "integrated_gradients", told.append)
    assert told == sorted(told)
    assert [told.count(done) for done in range(7)] == [1 + STEPS // 4] + 3 * [STEPS // 4] + [
        1 + STEPS // 2,
        STEPS // 2,
        0,
    ]


@pytest.fixture
def preparation(tmp_path: Path) -> DataPreparation:
    write_breaths(tmp_path / "breaths", patients=8, seed=0)
    return DataPreparation(tmp_path / "breaths", tmp_path / "cache", progress=False)


def test_a_ranking_is_made_of_networks_of_all_folds_and_then_used(
    preparation: DataPreparation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    recipe, lines = parse(Recipe, TINY, "test"), list[str]()
    ranking = rank_bands(with_bands(recipe, tuple(range(16))), preparation, BandSelection(), lines.append)
    # 20 and 16 bands, each with two folds.
    assert len(lines) == 4
    assert [one.bands for one in ranking.rounds] == [20, 16]
    assert sorted(band for group in ranking.groups for band in group) == list(range(20))
    assert ranking.groups[-1] == ranking.rounds[1].removed
    assert (ranking.method, ranking.consistency_penalty, ranking.folds) == ("grad_cam", 0.5, (0, 1))
    assert len(ranking.fold_correlations) == 1
    assert ranking.recipe_digest == recipe.digest()
    file = tmp_path / "ranking.json"
    file.write_text(written_ranking(ranking))
    assert read_ranking(file)[0] == ranking
    kept = parse(
        Recipe, {**TINY, "features": {**TINY["features"], "bands": {"ranking": str(file), "keep": 16}}}, ""
    )
    assert kept.features.kept_bands == ranking.best(16)
    backward = rank_bands(recipe, preparation, BandSelection(backward=True, rounds=0), lines.append)
    assert len(lines) == 4 + 2
    assert (backward.method, backward.scores, backward.rounds) == ("backward", (), ranking.rounds[:1])
    stores = [path.name for path in (tmp_path / "cache" / "features").glob("train-*")]
    assert len(stores) == 1


@pytest.mark.parametrize("backward", [False, True])
def test_a_ranking_that_was_broken_off_goes_on_from_its_finished_networks_and_says_what_it_is_at(
    preparation: DataPreparation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backward: bool
) -> None:
    recipe, selection = parse(Recipe, TINY, "test"), BandSelection(rounds=0, backward=backward)
    whole = rank_bands(recipe, preparation, selection, lambda line: None)
    kept, begun = tmp_path / "ranking.json.networks", list[int]()
    original = band_selection.Training

    def broken_off(*arguments: Any, **options: Any) -> Any:
        begun.append(len(begun))
        if len(begun) == 2:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(band_selection, "Training", broken_off)
    lines, works = list[str](), list[tuple[str, int, int]]()

    def at_work(*work: Any) -> None:
        works.append(work)

    asked = {"at_work": at_work, "kept": KeptNetworks(kept)}
    with pytest.raises(KeyboardInterrupt):
        rank_bands(recipe, preparation, selection, lines.append, **asked)
    assert kept.exists()
    # Before each batch of its epoch.
    assert len(works) > 1
    assert works[:2] == 2 * [("network 1: 20 bands, fold 1/2, epochs", 0, 1)]
    last = "network 1: 20 bands, fold 1/2, " + ("epochs" if backward else "grad_cam of cycles")
    assert works[-1][0] == last
    found = rank_bands(recipe, preparation, selection, lines.append, **asked)
    assert len(begun) == 3
    assert lines[1].startswith("network 1: 20 bands, fold 1/2, score ")
    assert lines[1].endswith(" %, kept from before")
    assert found == whole
    assert kept.exists()


class Untrained:
    """A run that is over, whose score is 0.5; counts how many were begun."""

    begun = 0
    done = True
    history = (SimpleNamespace(score=0.5),)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        Untrained.begun += 1


def test_networks_of_other_settings_weights_or_code_of_ones_own_are_not_taken(
    preparation: DataPreparation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(band_selection, "Training", Untrained)
    monkeypatch.syspath_prepend(tmp_path)
    weights, code = tmp_path / "weights.pt", tmp_path / "my_ranked_network.py"
    weights.write_bytes(b"weights")
    code.write_text("class Net: ...\n")
    dass = {**TINY, "backbone": {"name": "dass", "pretrained": str(weights)}}
    own = {**TINY, "backbone": {"name": "my_ranked_network:Net"}}

    def begun(settings: dict[str, Any], **selection: Any) -> int:
        before, lines = Untrained.begun, list[str]()
        chosen = BandSelection(backward=True, rounds=0, **selection)
        kept = tmp_path / "ranking.json.networks"
        rank_bands(
            parse(Recipe, settings, "test"), preparation, chosen, lines.append, kept=KeptNetworks(kept)
        )
        new = Untrained.begun - before
        of_another = f"{kept}: of another ranking, by its recipe, weights, code of your own, recordings, method or seed"
        assert lines[0].startswith(of_another) == (new > 0 and before > 0)
        return new

    assert [begun(dass), begun(dass)] == [2, 0]
    assert [begun(dass, seed=2), begun(dass, seed=2)] == [2, 0]
    weights.write_bytes(b"others")
    assert [begun(dass, seed=2), begun(dass, seed=2)] == [2, 0]
    assert [begun({**dass, "epochs": 2}), begun({**dass, "folds": {"folds": 3}})] == [2, 3]
    assert [begun(own), begun(own)] == [2, 0]
    code.write_text("class Net:\n    layers = 2\n")
    assert [begun(own), begun(own)] == [2, 0]


def test_a_fold_that_leaves_one_patient_is_refused_before_any_network(
    preparation: DataPreparation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out: list[int | None] = []

    def check(recipe: Recipe) -> None:
        left_out.append(recipe.folds.fold)
        if recipe.folds.fold == 1:
            raise ConfigError("come from one patient")

    monkeypatch.setattr(preparation, "check_origins", check)
    with pytest.raises(ConfigError, match="come from one patient"):
        rank_bands(parse(Recipe, TINY, "test"), preparation, BandSelection(), lambda line: None)
    assert left_out == [0, 1]
    assert not (tmp_path / "cache").exists()


def test_a_recipe_needs_its_recordings_and_three_blocks_fewer_bands(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("epochs: 1")
    with pytest.raises(
        ConfigError, match=r"recipe.yaml: a recipe says nothing of recordings; give --data DIR"
    ):
        recipe_and_recordings(str(file), tmp_path)
    assert recipe_and_recordings(str(file), tmp_path, tmp_path).recipe.epochs == 1
    three = parse(Recipe, {**TINY, "backbone": {"name": "cnn_tsa", "variant": "three_blocks"}}, "test")
    assert (least_bands(three), least_bands(parse(Recipe, TINY, "test"))) == (8, 16)
