from pathlib import Path
from typing import Any

import pytest
import yaml

from data.settings import ConfigError, parse
from model.training.recipe import Recipe, read_recipe


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


def test_the_defaults_are_the_papers_recipe() -> None:
    recipe = Recipe()
    assert (recipe.backbone.name, recipe.backbone.variant) == ("dass", "medium")
    assert (recipe.smoothing.kernel_size, recipe.smoothing.sigma, recipe.smoothing.stage) == (5, 3.0, 2)
    assert (recipe.patch_mix.temperature, recipe.patch_mix.beta) == (0.2, 1.0)
    assert recipe.patch_mix.axes == ("time", "frequency")
    assert (recipe.optimiser.name, recipe.optimiser.learning_rate, recipe.optimiser.weight_blend) == (
        "adamw",
        5e-5,
        0.5,
    )
    assert (recipe.batch_size, recipe.epochs, recipe.features.target_frames) == (16, 50, 1024)


def test_a_recipe_survives_being_written_and_read(tmp_path: Path) -> None:
    recipe = Recipe(epochs=3, smoothing={"stage": None})  # pyright: ignore[reportArgumentType]
    assert read_recipe(written(tmp_path, yaml.safe_dump(recipe.model_dump(mode="json")))) == recipe


def test_an_export_with_provenance_is_a_recipe_file(tmp_path: Path) -> None:
    assert read_recipe(written(tmp_path, "recipe: {epochs: 7}\nprovenance: {study: a}\n")).epochs == 7
    assert read_recipe(written(tmp_path, "recipe:\nprovenance: {study: a}\n")) == Recipe()


def test_labels_are_compared_beside_mixup_only_where_something_is_contrasted(tmp_path: Path) -> None:
    text = "mixup: {alpha: 0.2}\npatch_mix: {axes: [], negatives: different_label}"
    assert read_recipe(written(tmp_path, text)).mixup.alpha == 0.2


def test_equal_recipes_have_equal_digests_and_others_do_not() -> None:
    assert Recipe().digest() == Recipe(epochs=50).digest()
    assert Recipe().digest() != Recipe(epochs=49).digest()


def test_all_bands_are_the_recipe_without_bands_and_some_are_another(tmp_path: Path) -> None:
    every = read_recipe(written(tmp_path, "features: {bands: {ranges: [[0, 127]]}}"))
    some = read_recipe(written(tmp_path, "features: {bands: {ranges: [[0, 126]]}}"))
    assert every.digest() == Recipe().digest() != some.digest()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "patch_mix: {temprature: 0.1}",
            "patch_mix.temprature: no such field; did you mean patch_mix.temperature?",
        ),
        ("recipe: {smothing: {stage: 1}}", "recipe: smothing: no such field; did you mean smoothing?"),
        ("smoothing: {kernel_size: 4}", "smoothing.kernel_size: .*odd.*4"),
        ("smoothing: {stage: 4}", "smoothing.*stage"),
        ("recipe: []", "recipe: must be settings such as"),
        ("batch_size: 1" + 400 * "0", "batch_size: must be less than or equal to 1000000"),
        (
            "backbone: {name: cnn_tsa, variant: four_blocks}\nsmoothing: {stage: null}\n"
            "features: {bands: {ranges: [[0, 14]]}}",
            "needs at least 16 frames and 16 mel bands, got 1024 and 15",
        ),
        ("features: {band_mode: drop}", "band_mode: dass needs all bands.*use fill"),
        ("epochs: many", "epochs: .*'many'"),
        ("sampling: {name: weighted}\nloss: {class_weights: inverse_frequency}", "use one of them"),
        (
            "sampling: {name: weighted}\nloss: {logit_adjustment: 0.5}",
            "logit_adjustment 0.5 both correct.*use one",
        ),
        (
            "loss: {focal_gamma: 2, label_smoothing: 0.1}",
            "loss: focal_gamma .*label_smoothing .*one of them to 0",
        ),
        (
            "waveform_augment: {gain: 0.1}",
            "waveform_augment .gain 0.1, noise 0. needs features.norm audioset: per_sample .the default. scales each",
        ),
        (
            "waveform_augment: {noise: 0.1}\nfeatures: {norm: beats}",
            "needs features.norm audioset: norm beats has another scale",
        ),
        (
            "backbone: {name: beats}\nsmoothing: {stage: null}\nfeatures: {band_mode: drop}",
            "band_mode: beats needs all bands.*relative positions assume them; use fill",
        ),
        ("mixup: {alpha: -1}", "mixup.alpha: .*greater than or equal to 0"),
        (
            "mixup: {alpha: 0.2}\npatch_mix: {negatives: different_label}",
            "negatives different_label compares labels, and with mixup.alpha 0.2 a cycle has two",
        ),
        ("epochs: 3\noptimiser: {warmup_epochs: 3}", "warmup_epochs .3. leaves no epoch"),
        ("epochs: 1\nepochs: 2", "line 2.*'epochs' is written twice"),
        ("- epochs", "expected settings"),
        ("epochs: [", "line .*not valid YAML"),
    ],
)
def test_a_wrong_recipe_names_the_file_the_field_and_the_remedy(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=complaint) as error:
        read_recipe(path)
    assert str(error.value).startswith(str(path))


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent.yaml: cannot be read"):
        read_recipe(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"backbone": {"name": "ast"}},
            "smoothing.stage: ast has no stages, so it must be null, got 2 (the default)",
        ),
        ({"backbone": {"name": "ast"}, "smoothing": {"stage": 2}}, "so it must be null, got 2"),
        ({"features": {"low_hz": 9000}}, "low_hz must lie below the highest frequency (8000 Hz), got 9000"),
        (
            {"features": {"high_hz": 15}},
            "low_hz must lie below the highest frequency (15 Hz), got 20 (the default)",
        ),
        (
            {"features": {"duration_s": 0.01}},
            "duration_s must hold a frame of 25 ms (the default), got 0.01",
        ),
        ({"optimiser": {"warmup_epochs": 50}}, "at the full learning rate: epochs is 50 (the default)"),
        ({"optimiser": {"warmup_epochs": 5}, "epochs": 5}, "at the full learning rate: epochs is 5"),
        (
            {"waveform_augment": {"gain": 0.1}},
            "needs features.norm audioset: per_sample (the default) scales each",
        ),
        (
            {"waveform_augment": {"gain": 0.1}, "features": {"norm": "min_max"}},
            "needs features.norm audioset: min_max scales each",
        ),
        ({"population": "child"}, "as folds.population is all (the default); "),
        ({"folds": {"population": "child"}, "population": "adult"}, "as folds.population is child; "),
        (
            {"frozen": {"encoder": True}, "smoothing": {"stage": None}},
            "or those of a run of yours; got null (the default)",
        ),
        (
            {"frozen": {"encoder": True}, "backbone": {"pretrained": "weights.pt"}},
            "so axes must be empty, got time, frequency (the default)",
        ),
    ],
)
def test_a_default_that_is_refused_is_said_to_be_one(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Recipe, settings, "study.yaml")
    assert said in str(caught.value)
    assert ("(the default)" in str(caught.value)) == ("(the default)" in said)
