"""Readers of what networks are made of: recipes, pretrained weights, checkpoints."""

from __future__ import annotations

import functools
import math
from dataclasses import astuple, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
import yaml
from fuzz_reader import Files, Reader, known, need
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from data.batches import Examples
from data.settings import parse, read_yaml
from data.task import ICBHI
from model.pretrained import load_pretrained
from model.recipe_parts import BackboneConfig, SmoothingConfig
from model.registry import build_backbone
from model.training.checkpoint import save_checkpoint
from model.training.fit import fit
from model.training.recipe import Recipe, read_recipe
from model.training.training import Training

MELS = FRAMES = 32
SMALL: dict[str, Any] = {
    "backbone": {"name": "cnn_tsa", "variant": "tiny"},
    "features": {"n_mels": MELS, "target_frames": FRAMES},
    "smoothing": {"stage": None},
    "patch_mix": {"axes": []},
    "batch_size": 8,
    "epochs": 2,
}


def _recipe(folder: Path) -> Any:
    recipe = read_recipe(folder / "recipe.yaml")
    again = folder / "again.yaml"
    again.write_text(
        yaml.safe_dump({"recipe": recipe.model_dump(mode="json")}, allow_unicode=True), encoding="utf-8"
    )
    need(read_recipe(again) == recipe, "a recipe that is another one when it is written and read again")
    need(len(recipe.digest()) == 64, "a recipe without a digest")
    return recipe.digest()


def _recipes(_: Path) -> list[Files]:
    spaces = sorted((Path(__file__).parents[1] / "search_spaces").glob("*.yaml"))
    made = [read_yaml(path).get("recipe", {}) for path in spaces]
    defaults = Recipe().model_dump(mode="json")
    contents = [*made, SMALL, {"recipe": defaults, "provenance": {"study": "first", "seeds": [1, 2]}}]
    return [
        *({"recipe.yaml": yaml.safe_dump(content, sort_keys=False).encode()} for content in contents),
        *known("hostile/1*/recipe.yaml"),
    ]


@functools.cache
def _network() -> tuple[Any, dict[str, Tensor]]:
    torch.manual_seed(0)
    config = BackboneConfig(name="cnn_tsa", variant="tiny")
    model = build_backbone(config, SmoothingConfig(stage=None), 4, (FRAMES, MELS))
    return model, {name: value.clone() for name, value in model.state_dict().items()}


def _weights(folder: Path) -> Any:
    model, before = _network()
    model.load_state_dict(before)
    (path,) = folder.iterdir()
    try:
        report = load_pretrained(model, str(path))
    except Exception:
        need(_equal(model, before), "weights that were refused, and changed the network")
        raise
    need(
        all(bool(value.isfinite().all()) for value in model.state_dict().values()),
        "weights that are not finite",
    )
    return report.loaded, {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


def _equal(model: nn.Module, before: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def _weight_files(suffix: str) -> list[Files]:
    generator = torch.Generator().manual_seed(1)
    weights = {
        name: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value
        for name, value in _network()[1].items()
    }
    if suffix == ".safetensors":
        return [{"w.safetensors": save_safetensors(weights)}]
    if suffix == ".bin":
        return [{"w.bin": _saved(weights, old=True)}]
    return [
        {"w.pth": _saved(weights)},
        {"w.pth": _saved({"model": weights, "epoch": 3})},
        {
            "w.pth": _saved(
                {"modules": {f"model.{name}": value for name, value in weights.items()}, "format": 2}
            )
        },
        *known("hostile/*/w.pth"),
    ]


def _saved(content: Any, *, old: bool = False) -> bytes:
    made = BytesIO()
    torch.save(content, made, _use_new_zipfile_serialization=not old)
    return made.getvalue()


@functools.cache
def _cycles() -> tuple[Examples, Examples]:
    generator = torch.Generator().manual_seed(2)
    labels = torch.arange(8) % 4
    return tuple(Examples(torch.randn(8, FRAMES, MELS, generator=generator), labels) for _ in range(2))  # pyright: ignore[reportReturnType]


def _checkpoint(folder: Path) -> Any:
    train, validation = _cycles()
    recipe = parse(Recipe, SMALL, "fuzz")
    path = folder / "checkpoint.pt"
    history = [*fit(recipe, 1, train, validation, task=ICBHI, checkpoint=path, data="these", device="cpu")]
    need([metrics.epoch for metrics in history] == [1, 2], "a run of other epochs")
    for metrics in history:
        need(sum(map(sum, metrics.confusion)) == len(validation), "an epoch with other cycles")
        need(math.isfinite(metrics.train_loss) and 0 <= metrics.score <= 1, "an epoch that cannot be")
    return [astuple(replace(metrics, seconds=0.0)) for metrics in history]


def _checkpoints(folder: Path) -> list[Files]:
    train, validation = _cycles()
    training = Training(
        parse(Recipe, SMALL, "fuzz"), 1, train, validation, task=ICBHI, data="these", device="cpu"
    )
    training.run_epoch()
    first = _state(training, folder)
    training.run_epoch()
    return [
        {"checkpoint.pt": first},
        {"checkpoint.pt": _state(training, folder), "checkpoint.previous.pt": first},
    ]


def _state(training: Training, folder: Path) -> bytes:
    path = folder.parent / "seed.pt"
    save_checkpoint(path, training.state_dict())
    content = path.read_bytes()
    path.unlink()
    path.with_name("seed.previous.pt").unlink(missing_ok=True)
    return content


_TORN = frozenset({"bytes"})
READERS = (
    Reader("recipes", "yaml", r"recipe\.yaml", _recipes, _recipe, weight=3),
    Reader("weights (.pth)", "archive", r"w\.pth", lambda _: _weight_files(".pth"), _weights, exact=_TORN),
    Reader("weights (before archives)", "binary", r".*", lambda _: _weight_files(".bin"), _weights),
    Reader("weights (.safetensors)", "binary", r".*", lambda _: _weight_files(".safetensors"), _weights),
    Reader(
        "checkpoints",
        "archive",
        r"checkpoint\.pt",
        _checkpoints,
        _checkpoint,
        ("{file}", "epoch ", "the network's answers are no longer finite"),
        exact=_TORN,
        weight=0.5,
    ),
)
