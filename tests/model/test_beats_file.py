from pathlib import Path
from typing import Any

import pytest

from model.beats_file import check_settings
from model.variants import BEATS_VARIANTS
from model.weights_file import PretrainedError

PUBLISHED: dict[str, Any] = {
    "encoder_layers": 12,
    "encoder_embed_dim": 768,
    "encoder_ffn_embed_dim": 3072,
    "encoder_attention_heads": 12,
    "activation_fn": "gelu",
    "dropout": 0.0,
    "encoder_layerdrop": 0.05,
    "layer_norm_first": False,
    "deep_norm": True,
    "layer_wise_gradient_decay_ratio": 0.6,
    "conv_bias": False,
    "conv_pos": 128,
    "conv_pos_groups": 16,
    "embed_dim": 512,
    "input_patch_size": 16,
    "relative_position_embedding": True,
    "num_buckets": 320,
    "max_distance": 800,
    "gru_rel_pos": True,
    "finetuned_model": True,
    "predictor_class": 527,
}
"""What the published files of the third iteration say of their network."""
BASE = BEATS_VARIANTS["base"]


def test_the_published_settings_are_those_of_base() -> None:
    check_settings({"cfg": PUBLISHED, "model": {}}, BASE, Path("beats.pt"))
    check_settings({"model": {}}, BASE, Path("weights alone.pt"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"deep_norm": False}, "cfg: not the settings of beats base: deep_norm False, not True"),
        ({"max_distance": 1280}, "max_distance 1280, not 800"),
        (
            {"layer_norm_first": True, "gru_rel_pos": False},
            "layer_norm_first True, not False; gru_rel_pos False",
        ),
        ({"encoder_attention_heads": 8}, "encoder_attention_heads 8, not 12"),
        ({"activation_fn": "relu\n"}, "activation_fn relu, not gelu"),
    ],
)
def test_settings_of_another_network_are_refused_by_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(PretrainedError) as caught:
        check_settings({"cfg": {**PUBLISHED, **changes}}, BASE, Path("beats.pt"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_file_does_not_say_is_what_the_published_code_takes() -> None:
    short = {name: value for name, value in PUBLISHED.items() if name not in ("embed_dim", "deep_norm")}
    with pytest.raises(PretrainedError, match=r"beats base: deep_norm False, not True$"):
        check_settings({"cfg": short}, BASE, Path("beats.pt"))


def test_settings_that_are_none_are_refused() -> None:
    with pytest.raises(PretrainedError, match="cfg: expected the settings of a BEATs by name, got list"):
        check_settings({"cfg": [1]}, BASE, Path("beats.pt"))
