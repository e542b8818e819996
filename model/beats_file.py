"""What a published file of BEATs says of its network beside the weights, compared with the network to be filled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.variants import BEATS_PATCH, BEATS_VARIANTS, BEATsSize
from model.weights_file import PretrainedError

UNSAID = {
    "input_patch_size": -1,
    "embed_dim": 512,
    "conv_bias": False,
    "encoder_layers": 12,
    "encoder_embed_dim": 768,
    "encoder_ffn_embed_dim": 3072,
    "encoder_attention_heads": 12,
    "activation_fn": "gelu",
    "layer_norm_first": False,
    "deep_norm": False,
    "conv_pos": 128,
    "conv_pos_groups": 16,
    "relative_position_embedding": False,
    "num_buckets": 320,
    "max_distance": 1280,
    "gru_rel_pos": False,
}
"""What the published code takes for a setting that a file does not name."""


def check_settings(content: Any, size: BEATsSize, path: Path) -> None:
    """Compare the settings under `cfg` of a file with a network of ours, where the file has any.

    Most of them change what the network computes and no shape, so weights of another network would load. Settings that
    matter in training alone (dropout, dropped layers, decay of gradients) are passed over. Raises PretrainedError.
    """
    if not isinstance(content, Mapping) or "cfg" not in content:
        return
    settings = content["cfg"]
    if not isinstance(settings, Mapping):
        raise PretrainedError(
            f"{path}: cfg: expected the settings of a BEATs by name, got {type(settings).__name__}"
        )
    expected = _settings(size)
    wrong = [
        f"{name} {_shown(found)}, not {wanted}"
        for name, wanted in expected.items()
        if (found := settings.get(name, UNSAID[name])) != wanted
    ]
    if wrong:
        raise PretrainedError(f"{path}: cfg: not the settings of {_title(size)}: {'; '.join(wrong)}")


def _settings(size: BEATsSize) -> dict[str, object]:
    return {
        **UNSAID,
        "input_patch_size": BEATS_PATCH,
        "embed_dim": size.embed_dim,
        "encoder_layers": size.depth,
        "encoder_embed_dim": size.dim,
        "encoder_ffn_embed_dim": size.mlp_dim,
        "encoder_attention_heads": size.heads,
        "deep_norm": True,
        "conv_pos": size.conv_pos,
        "conv_pos_groups": size.conv_pos_groups,
        "relative_position_embedding": True,
        "num_buckets": size.num_buckets,
        "max_distance": size.max_distance,
        "gru_rel_pos": True,
    }


def _title(size: BEATsSize) -> str:
    names = [name for name, other in BEATS_VARIANTS.items() if other == size]
    return f"beats {names[0]}" if names else "this BEATs"


def _shown(value: object) -> str:
    return " ".join(str(value)[:80].split())
