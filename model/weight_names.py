"""What published weights are called, and how they are shaped, in each layout, and how we call and shape them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor


def dass_name(key: str) -> str:
    """Our name of a tensor of a published DASS, in any layout."""
    return _renamed(key, _DASS_NAMES)


_DASS_NAMES = (
    (r"^(module\.)?(v\.|dass\.)?", ""),
    (r"^patch_embeddings\.projection\.0\.", "patch_embed.0."),
    (r"^patch_embeddings\.projection\.1\.", "patch_embed.2."),
    (r"^patch_embeddings\.projection\.3\.", "patch_embed.5."),
    (r"^patch_embeddings\.projection\.4\.", "patch_embed.7."),
    (r"^patch_embed\.proj\.", "patch_embed.0."),
    (r"^patch_embed\.norm\.", "patch_embed.2."),
    (r"\.downsample\.down\.", ".downsample.1."),
    (r"\.downsample\.norm\.", ".downsample.3."),
    (r"\.ln_1\.", ".norm."),
    (r"\.self_attention\.", ".op."),
    (r"\.(x_proj|dt_projs)\.weight$", r".\1_weight"),
    (r"^(norm|head)\.", r"classifier.\1."),
)


def ast_name(key: str) -> str | None:
    """Our name of a tensor of a published AST, in either layout; None for what we lack."""
    if key.startswith(("module.v.head", "v.head")):
        return None  # the image classifier that the weights started from
    return _renamed(key, _AST_NAMES)


_AST_NAMES = (
    (r"^(module\.)?(v\.)?", ""),
    (r"^audio_spectrogram_transformer\.", ""),
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.distillation_token$", "dist_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^encoder\.layer\.", "blocks."),
    (r"^layernorm\.", "norm."),
    (r"^classifier\.layernorm\.", "mlp_head.0."),
    (r"^classifier\.dense\.", "mlp_head.1."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.output\.dense\.", ".self_attn.out_proj."),
    (r"\.attn\.proj\.", ".self_attn.out_proj."),
    (r"\.attn\.qkv\.(weight|bias)$", r".self_attn.in_proj_\1"),
    (r"\.(intermediate\.dense|mlp\.fc1)\.", ".linear1."),
    (r"\.(output\.dense|mlp\.fc2)\.", ".linear2."),
)


def beats_name(key: str) -> str:
    """Our name of a tensor of a published BEATs, whose weight norm PyTorch may have saved in either of its ways."""
    return _renamed(key, _BEATS_NAMES)


_BEATS_NAMES = (
    (r"^encoder\.pos_conv\.0\.parametrizations\.weight\.original0$", "encoder.pos_conv.0.weight_g"),
    (r"^encoder\.pos_conv\.0\.parametrizations\.weight\.original1$", "encoder.pos_conv.0.weight_v"),
)


def one_position_table(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the tables of relative positions of layers after the first where they are the first one's copies.

    Published files of BEATs hold the one table of all layers once for each; files of ours, once.
    """
    table = "encoder.layers.{}.self_attn.relative_attention_bias.weight"
    first = found.get(table.format(0))
    copies = re.compile(re.escape(table).replace(r"\{\}", "[1-9][0-9]*"))
    return {
        key: value
        for key, value in found.items()
        if first is None or not copies.fullmatch(key) or not torch.equal(value, first)
    }


def _renamed(key: str, patterns: Iterable[tuple[str, str]]) -> str:
    """Replace in `key` what each pattern matches, one pattern after the other."""
    for pattern, replacement in patterns:
        key = re.sub(pattern, replacement, key)
    return key


def cnn_tsa_name(key: str) -> str | None:
    """Our name of a tensor of PANNs' CNN6, or None for its front end and its two last layers, which we lack."""
    return None if key.startswith(("spectrogram_extractor.", "logmel_extractor.", *CNN6_LAST_LAYERS)) else key


CNN6_LAST_LAYERS = ("fc1.", "fc_audioset.")


def fuse_attention(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Stack each separate query, key and value into one fused tensor, in that order; all other tensors stay."""
    fused = {}
    for key, value in found.items():
        part = re.fullmatch(r"(.+)\.attention\.attention\.(query|key|value)\.(weight|bias)", key)
        if part is None:
            fused[key] = value
            continue
        block, which, kind = part.groups()
        parts = [
            found.get(f"{block}.attention.attention.{name}.{kind}") for name in ("query", "key", "value")
        ]
        there = [other for other in parts if other is not None and other.shape == value.shape != ()]
        if which == "query" and len(there) == len(parts):
            fused[f"{block}.attn.qkv.{kind}"] = torch.cat(there)
    return fused


def reshaped(name: str, value: Tensor, shape: torch.Size) -> Tensor:
    """Bring `value` to the shape that our layout has, where that loses nothing; otherwise return it unchanged."""
    if value.ndim == 4 and len(shape) == 2 and value.shape[2:] == (1, 1):
        return value[:, :, 0, 0]
    if name.endswith(("x_proj_weight", "dt_projs_weight")) and value.ndim == 2 and len(shape) == 3:
        return value.reshape(shape) if value.shape == (shape[0] * shape[1], shape[2]) else value
    if name == "patch_embed.0.weight" and value.ndim == 4 and value.shape[1] == 3 and shape[1] == 1:
        return value.sum(dim=1, keepdim=True)  # a stem for colour images, shown grey
    return value
