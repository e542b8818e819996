from pathlib import Path

import sweep
from benchmarks import real_breaths


def test_systems_are_every_objective_of_every_backbone_with_and_without_weights() -> None:
    found = real_breaths.systems(
        ["cnn_tsa", "dass"], ["mixup", "smoothing", "strided stem, batch norms"], {"dass": Path("weights.pt")}
    )
    assert list(found) == [
        "cnn_tsa, mixup",
        "dass, mixup",
        "dass, mixup, pretrained",
        "dass, strided stem, batch norms",
        "dass, smoothing",
        "dass, smoothing, pretrained",
    ]
    assert found["dass, mixup, pretrained"]["backbone.pretrained"] == "weights.pt"
    assert "smoothing.stage" not in found["cnn_tsa, mixup"]


def test_what_only_one_network_has_is_asked_of_that_network_alone() -> None:
    found = real_breaths.systems(["cnn_tsa", "dass", "ast"], ["swapped positions", "no attention"], {})
    assert list(found) == ["cnn_tsa, no attention", "ast, swapped positions"]


def test_the_study_of_all_systems_trains_each_of_them_with_every_seed() -> None:
    asked = real_breaths.arguments(["--data", "recordings"])
    points = real_breaths.systems(asked.backbones, asked.objectives, {})
    config = sweep.read_study(real_breaths.STUDY, **real_breaths.settings(points, asked))
    assert list(config.enqueue) == list(points.values())
    assert config.budget.configurations == len(points) == 71
    assert config.seeds == (1, 2, 3, 4, 5)
    assert (config.racing.name, config.pruner.name) == ("none", "none")
    recipes = [config.space.recipe(point) for point in config.enqueue]
    assert len({recipe.digest() for recipe in recipes}) == 71
    assert {recipe.backbone.variant for recipe in recipes} == {"tiny"}


def test_some_rows_of_a_network_are_a_study_of_their_own() -> None:
    plain, mixed = real_breaths.PLAIN_OBJECTIVE, "smoothing and Patch-Mix, time"
    asked = real_breaths.arguments(
        ["--data", "recordings", "--backbones", "dass", "--objectives", plain, mixed]
    )
    points = real_breaths.systems(asked.backbones, asked.objectives, {})
    config = sweep.read_study(real_breaths.STUDY, **real_breaths.settings(points, asked))
    smoothed = [config.space.recipe(point).smoothing for point in config.enqueue]
    assert [(one.stage, one.hook) for one in smoothed if one.stage is not None] == [(2, "scan_output")]


def test_a_system_is_compared_with_the_plain_objective_from_the_same_weights() -> None:
    found = real_breaths.systems(["cnn_tsa", "dass"], real_breaths.OBJECTIVES, {"dass": Path("weights.pt")})
    assert real_breaths.plain_of("cnn_tsa, mixup") == "cnn_tsa, cross-entropy, weighted sampling"
    assert (
        real_breaths.plain_of("dass, Patch-Mix, cells, pretrained")
        == "dass, cross-entropy, weighted sampling, pretrained"
    )
    assert {real_breaths.plain_of(name) for name in found} < set(found)
