"""Load public checkpoints into our backbones, from every layout they come in; strict but for the head."""

from __future__ import annotations

import argparse
import errno
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from data.bands import KeptBands
from model.ast import AST
from model.beats import BEATs
from model.beats_file import check_settings
from model.cnn_tsa import CNNTSA, token_widths
from model.dass import DASS
from model.dass_stem import stem_of
from model.frozen import Encoder, FrozenNetwork
from model.lora import has_lora, merged
from model.own_network import OwnNetwork
from model.tensor_archive import check_archive, is_dense, load_tensors
from model.weight_names import (
    CNN6_LAST_LAYERS,
    ast_name,
    beats_name,
    cnn_tsa_name,
    dass_name,
    fuse_attention,
    one_position_table,
    reshaped,
)
from model.weights_file import PretrainedError, checkpoint_sha256, find_checkpoint

SHOWN = 12
INTEGERS = torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8


class Network(NamedTuple):
    """How the weights of a network are known. `signature` is our name of a tensor that no other network has."""

    our_name: Callable[[str], str | None]
    head_prefix: str
    signature: str


NETWORKS: dict[type[nn.Module], Network] = {
    DASS: Network(dass_name, "classifier.head.", "layers.0.blocks.0.op.A_logs"),
    AST: Network(ast_name, "mlp_head.", "cls_token"),
    BEATs: Network(beats_name, "predictor.", "encoder.layers.0.self_attn.grep_a"),
    CNNTSA: Network(cnn_tsa_name, "head.", "conv_block1.conv1.weight"),
    # Only ever the weights of a run of its own, head and all.
    OwnNetwork: Network(str, "network.", "network."),
    FrozenNetwork: Network(str, "head.", "head.classifier.weight"),
}
HEAD_ALONE = {"mean", "scale", "classifier.weight"}
"""Names in a run's checkpoint that are those of a `FrozenHead`."""
OURS_ALONE = OwnNetwork, FrozenNetwork
"""Networks whose weights are written by us, and named as we name them."""


@dataclass(frozen=True)
class LoadReport:
    """What was read from a checkpoint. `dropped`, as the file names them, are its head and heads of earlier training."""

    path: Path
    sha256: str
    layout: str
    loaded: int
    dropped: tuple[str, ...]


def load_pretrained(
    model: Encoder | OwnNetwork | FrozenNetwork,
    source: str,
    *,
    head: bool = False,
    kept: KeptBands | None = None,
) -> LoadReport:
    """Copy the weights of a checkpoint into `model`, in place, and say what was copied.

    `source` is a file, a folder with a Hugging Face model, or, when there is no such file, a hub id
    `author/name`; the checkpoint of a training run of ours serves too, whatever task it was trained on. The file must
    hold every tensor but the classifier head (with `head=True` the head as well), each with its shape, and no other.
    What a file of BEATs says of its network must be what `model` is. CNN6 has no attention, so a CNNTSA keeps its own,
    and blocks that the CNNTSA lacks are dropped. Of a first norm with all mel bands a network takes those that are
    `kept` in front of it. Otherwise raises PretrainedError, and changes nothing; so for a file that is no checkpoint,
    and for weights that are not finite real numbers in floating point (counts of batches are whole ones).
    """
    path = find_checkpoint(source)
    content = _read(path)
    found, layout = _tensors(content, path)
    if isinstance(model, BEATs):
        check_settings(content, model.size, path)
    if layout == "run" and found.keys() >= HEAD_ALONE:
        raise PretrainedError(
            f"{path}: the head that a run trained on a frozen encoder, without the encoder; expected whole networks, as "
            "respsweep export --weights writes them"
        )
    our_name, head_prefix, _ = NETWORKS[type(model)]
    expected = {
        key: value for key, value in model.state_dict().items() if head or not key.startswith(head_prefix)
    }

    _check_numbers(found, path)
    renamed: dict[str, Tensor] = {}
    dropped = []
    unexpected = []
    if layout == "frozen" and not isinstance(model, FrozenNetwork):
        found = {key.removeprefix("encoder."): found[key] for key in found if key.startswith("encoder.")}
    for key, value in _joined(model, found).items():
        name = our_name(key)
        beyond = layout == "panns" and key.startswith("conv_block") and name not in expected
        if name is None or beyond or (name.startswith(head_prefix) and not head):
            dropped.append(key)
        elif name not in expected or name in renamed:
            unexpected.append(key)
        else:
            renamed[name] = reshaped(name, _of_kept_bands(name, value, kept), expected[name].shape)

    missing = tuple(
        key
        for key in expected
        if key not in renamed and not (layout == "panns" and key.startswith("attention."))
    )
    misshaped = tuple(
        f"{key} {tuple(value.shape)}, not {tuple(expected[key].shape)}"
        for key, value in renamed.items()
        if value.shape != expected[key].shape
    )
    if missing or unexpected or misshaped:
        raise _mismatch(path, model, found, missing, tuple(unexpected), misshaped)
    with torch.no_grad():
        for key, value in renamed.items():
            expected[key].copy_(value)
    return LoadReport(path, checkpoint_sha256(path), layout, len(renamed), tuple(dropped))


def clear_head(model: Encoder) -> None:
    """Set the classifier of an encoder to zero, in place: it answers nothing, and has no chance weights to keep."""
    prefix = NETWORKS[type(model)].head_prefix
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith(prefix):
                parameter.zero_()


def _joined(model: nn.Module, found: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Make one of the tensors that a file has in pieces, or several times, and our network once.

    A network with low-rank pairs reads only what one like it has saved; any other adds a file's pairs to its weights.
    """
    if isinstance(model, OURS_ALONE) or has_lora(model):
        return found
    found = merged(found)
    return one_position_table(found) if isinstance(model, BEATs) else fuse_attention(found)


def _of_kept_bands(name: str, value: Tensor, kept: KeptBands | None) -> Tensor:
    """Take the kept bands of a tensor that has a number for each mel band; all else stays as it is."""
    if kept is None or not name.startswith("bn0.") or value.shape != (kept.of,):
        return value
    return value[list(kept.indices)]


def _read(path: Path) -> Any:
    """Read a checkpoint file without running any code that may be in it."""
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Fine-tuned files of the reference keep their command line beside the weights.
        with path.open("rb") as file, torch.serialization.safe_globals([argparse.Namespace]):
            # Files of before PyTorch 1.6 are no archives.
            if zipfile.is_zipfile(file):
                check_archive(file)
            file.seek(0)
            return load_tensors(file)
    except zipfile.BadZipFile as error:
        raise PretrainedError(f"{path}: not a checkpoint, or a truncated one: {error}") from error
    except pickle.UnpicklingError as error:
        needed = re.search(r"GLOBAL (\S+)", str(error))
        if needed is None:
            raise PretrainedError(f"{path}: not a checkpoint, or a truncated one") from error
        raise PretrainedError(
            f"{path}: refused, for it needs {needed[1]} to be run; expected tensors and plain values only"
        ) from error
    except OSError as error:
        # The reader of zip archives seeks to before the beginning of one that was cut.
        if error.errno == errno.EINVAL:
            raise PretrainedError(f"{path}: not a checkpoint, or a truncated one") from error
        raise PretrainedError(f"{path}: cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise PretrainedError(f"{path}: cannot be read: it asks for more memory than there is") from error
    except Exception as error:
        # Readers of damaged files fail in every way there is.
        raise PretrainedError(f"{path}: not a checkpoint, or a truncated one") from error


def _tensors(content: Any, path: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors by name, and the layout in which they lay."""
    if isinstance(content, Mapping) and isinstance(content.get("modules"), Mapping):
        # A run of ours: the network beside the projector of its contrastive loss.
        named = _named(content["modules"], path)
        return {key.removeprefix("model."): named[key] for key in named if key.startswith("model.")}, "run"
    wrapped = False
    for key in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content, wrapped = content[key], True
    found = _named(content, path)
    return found, _layout(found, wrapped)


def _named(content: Any, path: Path) -> dict[str, Tensor]:
    if (
        not isinstance(content, Mapping)
        or not content
        or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items())
    ):
        raise PretrainedError(
            f"{path}: expected tensors by name, at the top or under `model`; found something else"
        )
    return dict(content)


def _check_numbers(found: Mapping[str, Tensor], path: Path) -> None:
    counts = {key: value for key, value in found.items() if key.endswith("num_batches_tracked")}
    weights = {key: value for key, value in found.items() if key not in counts}
    checks: tuple[tuple[str, Mapping[str, Tensor], Callable[[Tensor], bool]], ...] = (
        ("not plain numbers in memory", found, is_dense),
        ("not in floating point", weights, Tensor.is_floating_point),
        ("not whole numbers", counts, lambda value: value.dtype in INTEGERS),
        # As float32, in which the network takes them.
        ("not finite", weights, lambda value: bool(value.float().isfinite().all())),
    )
    for what, among, right in checks:
        keys = [key for key, value in among.items() if not right(value)]
        if keys:
            more = " ..." if len(keys) > SHOWN else ""
            raise PretrainedError(
                f"{path}: {len(keys)} of {len(among)} tensors are {what}: {', '.join(keys[:SHOWN])}{more}; expected "
                "weights that training can go on from"
            )


def _layout(found: Mapping[str, Tensor], wrapped: bool) -> str:
    if "head.classifier.weight" in found and any(key.startswith("encoder.") for key in found):
        return "frozen"
    if any(key.startswith(("dass.", "audio_spectrogram_transformer.")) for key in found):
        return "hugging face"
    if any(key.startswith(CNN6_LAST_LAYERS) for key in found):
        return "panns"
    if any(key.startswith("encoder.pos_conv.") for key in found):
        return "beats" if wrapped else "native"
    if wrapped:
        return "fine-tuned" if any(key.startswith("v.") for key in found) else "vmamba"
    if any(key.startswith("module.") for key in found):
        return "release"
    return "vmamba" if any(".self_attention." in key for key in found) else "native"


def _mismatch(
    path: Path,
    model: nn.Module,
    found: Mapping[str, Tensor],
    missing: tuple[str, ...],
    unexpected: tuple[str, ...],
    misshaped: tuple[str, ...],
) -> PretrainedError:
    ours = f"this {type(model).__name__}"
    others = [
        f"{'an' if other is AST else 'a'} {other.__name__}"
        for other, network in NETWORKS.items()
        if not isinstance(model, other) and any(network.our_name(key) == network.signature for key in found)
    ]
    parts = [
        f"{len(keys)} {what}: {', '.join(keys[:SHOWN])}" + (" ..." if len(keys) > SHOWN else "")
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshaped))
        if keys
    ]
    whose = f"the weights of {others[0]}, not of {ours}" if others else f"not the weights of {ours}"
    if any("bn0." in shape for shape in misshaped):
        whose += ", whose first norm fits one number of mel bands (features.n_mels)"
    return PretrainedError(
        f"{path}: {whose}; {'; '.join(parts)}{_other_stem(model, found)}{_other_place(model, found)}",
        missing,
        unexpected,
        misshaped,
    )


def _other_place(model: nn.Module, found: Mapping[str, Tensor]) -> str:
    """What to change when a CNNTSA of a run attends at another place, or at none."""
    if not isinstance(model, CNNTSA) or NETWORKS[CNNTSA].signature not in found:
        return ""
    value = found.get("attention.value.weight")
    if value is None:
        places = ["none"]
    else:
        widths = token_widths(model.channels, model.mels)
        places = [place for place, width in widths.items() if value.shape == (width, width)]
    if not places or model.place in places:
        return ""
    return (
        f"; the file attends at {' or '.join(places)}, the recipe at {model.place}: set backbone.attention to "
        f"{' or '.join(places)}"
    )


def _other_stem(model: nn.Module, found: Mapping[str, Tensor]) -> str:
    """What to change when the weights are of a DASS with another stem."""
    if not isinstance(model, DASS):
        return ""
    had, wanted = stem_of(map(dass_name, found)), stem_of(model.state_dict())
    if had in (None, wanted):
        return ""
    return f"; the stem of the file is {had}, that of the recipe {wanted}: set backbone.stem to {had}"
