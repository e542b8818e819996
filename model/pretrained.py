"""Load public checkpoints into our backbones, from every layout they come in; strict but for the head."""

from __future__ import annotations

import argparse
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model.ast import AST
from model.dass import DASS
from model.weights_file import PretrainedError, checkpoint_sha256, find_checkpoint

SHOWN = 12


@dataclass(frozen=True)
class LoadReport:
    """What was read from a checkpoint. `dropped`, as the file names them, are its head and heads of earlier training."""

    path: Path
    sha256: str
    layout: str
    loaded: int
    dropped: tuple[str, ...]


def load_pretrained(model: DASS | AST, source: str, *, head: bool = False) -> LoadReport:
    """Copy the weights of a checkpoint into `model`, in place, and say what was copied.

    `source` is a file, a folder with a Hugging Face model, or, when there is no such file, a hub id
    `author/name`. The file must hold every tensor but the classifier head (with `head=True` the head as well),
    each with its shape, and no other. Otherwise raises PretrainedError, and changes nothing; so for a file that is
    no checkpoint.
    """
    path = find_checkpoint(source)
    found, wrapped = _unwrap(_read(path), path)
    rename = _dass_name if isinstance(model, DASS) else _ast_name
    head_prefix = "classifier.head." if isinstance(model, DASS) else "mlp_head."
    expected = {
        key: value for key, value in model.state_dict().items() if head or not key.startswith(head_prefix)
    }

    renamed: dict[str, Tensor] = {}
    dropped = []
    unexpected = []
    for key, value in _fuse_attention(found).items():
        name = rename(key)
        if name is None or (name.startswith(head_prefix) and not head):
            dropped.append(key)
        elif name not in expected or name in renamed:
            unexpected.append(key)
        else:
            renamed[name] = _reshaped(name, value, expected[name].shape)

    missing = tuple(key for key in expected if key not in renamed)
    misshaped = tuple(
        f"{key} {tuple(value.shape)}, not {tuple(expected[key].shape)}"
        for key, value in renamed.items()
        if value.shape != expected[key].shape
    )
    if missing or unexpected or misshaped:
        raise _mismatch(path, model, missing, tuple(unexpected), misshaped)
    with torch.no_grad():
        for key, value in renamed.items():
            expected[key].copy_(value)
    return LoadReport(path, checkpoint_sha256(path), _layout(found, wrapped), len(renamed), tuple(dropped))


def _read(path: Path) -> Any:
    """Read a checkpoint file without running any code that may be in it."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Fine-tuned files of the reference keep their command line beside the weights.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        needed = re.search(r"GLOBAL (\S+)", str(error))
        if needed is None:
            raise PretrainedError(f"{path}: not a checkpoint, or a truncated one") from error
        raise PretrainedError(
            f"{path}: refused, for it needs {needed[1]} to be run; expected tensors and plain values only"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise PretrainedError(f"{path}: not a checkpoint, or a truncated one") from error
    except OSError as error:
        raise PretrainedError(f"{path}: cannot be read: {error.strerror or error}") from error


def _unwrap(content: Any, path: Path) -> tuple[dict[str, Tensor], bool]:
    """The tensors by name, and whether they lay under `model` or `state_dict`."""
    wrapped = False
    for key in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content, wrapped = content[key], True
    if (
        not isinstance(content, Mapping)
        or not content
        or not all(isinstance(v, Tensor) for v in content.values())
    ):
        raise PretrainedError(
            f"{path}: expected tensors by name, at the top or under `model`; found something else"
        )
    return dict(content), wrapped


def _layout(found: Mapping[str, Tensor], wrapped: bool) -> str:
    if any(key.startswith(("dass.", "audio_spectrogram_transformer.")) for key in found):
        return "hugging face"
    if wrapped:
        return "fine-tuned" if any(key.startswith("v.") for key in found) else "vmamba"
    if any(key.startswith("module.") for key in found):
        return "release"
    return "vmamba" if any(".self_attention." in key for key in found) else "native"


def _dass_name(key: str) -> str | None:
    name = re.sub(r"^(module\.)?(v\.|dass\.)?", "", key)
    for pattern, replacement in _DASS_NAMES:
        name = re.sub(pattern, replacement, name)
    return name


_DASS_NAMES = (
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


def _ast_name(key: str) -> str | None:
    if key.startswith(("module.v.head", "v.head")):
        return None  # the image classifier that the weights started from
    name = re.sub(r"^(module\.)?(v\.)?", "", key)
    for pattern, replacement in _AST_NAMES:
        name = re.sub(pattern, replacement, name)
    return name


_AST_NAMES = (
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


def _fuse_attention(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
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
        if which == "query" and all(other is not None for other in parts):
            fused[f"{block}.attn.qkv.{kind}"] = torch.cat([other for other in parts if other is not None])
    return fused


def _reshaped(name: str, value: Tensor, shape: torch.Size) -> Tensor:
    """Bring `value` to the shape that our layout has, where that loses nothing; otherwise return it unchanged."""
    if value.ndim == 4 and len(shape) == 2 and value.shape[2:] == (1, 1):
        return value[:, :, 0, 0]
    if name.endswith(("x_proj_weight", "dt_projs_weight")) and value.ndim == 2 and len(shape) == 3:
        return value.reshape(shape) if value.shape == (shape[0] * shape[1], shape[2]) else value
    if name == "patch_embed.0.weight" and value.ndim == 4 and value.shape[1] == 3 and shape[1] == 1:
        return value.sum(dim=1, keepdim=True)  # a stem for colour images, shown grey
    return value


def _mismatch(
    path: Path,
    model: nn.Module,
    missing: tuple[str, ...],
    unexpected: tuple[str, ...],
    misshaped: tuple[str, ...],
) -> PretrainedError:
    found = [
        f"{len(keys)} {what}: {', '.join(keys[:SHOWN])}" + (" ..." if len(keys) > SHOWN else "")
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshaped))
        if keys
    ]
    return PretrainedError(
        f"{path}: not the weights of this {type(model).__name__}; {'; '.join(found)}",
        missing,
        unexpected,
        misshaped,
    )
