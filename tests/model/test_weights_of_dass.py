"""DASS from each layout of its weights (golden/dass/key_maps), and with each of its stems."""

import argparse
import hashlib
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import save_file

from model.dass import DASS
from model.pretrained import load_pretrained
from model.variants import DASS_VARIANTS, Stem
from model.weights_file import PretrainedError
from tests.goldens import facts
from tests.model.weights import Weights, dass, differing, tiny_weights

HEAD = ["classifier.head.weight", "classifier.head.bias"]


@pytest.fixture(scope="module")
def key_maps() -> dict[str, list[dict[str, Any]]]:
    return facts("dass/key_maps")


def as_published(key_maps: dict[str, list[dict[str, Any]]], weights: Weights, layout: str) -> Weights:
    """`weights` as in the release or the Hugging Face files; the latter hold projections flattened."""
    names = {row["native"]: row for row in key_maps["medium"]}
    renamed = {}
    for key, value in weights.items():
        row = names[key]
        flat = layout == "hf" and len(row["hf_shape"]) < len(row["shape"])
        renamed[row[layout]] = value.flatten(0, 1).contiguous() if flat else value
    return renamed


def old_vmamba(weights: Weights) -> Weights:
    def old(key: str) -> str:
        key = re.sub(r"(blocks\.\d+)\.norm\.", r"\1.ln_1.", key).replace(".op.", ".self_attention.")
        key = key.replace("patch_embed.0.", "patch_embed.proj.").replace(
            "patch_embed.2.", "patch_embed.norm."
        )
        return key.removeprefix("classifier.")

    return {old(key): value for key, value in weights.items()}


def convolutional(weights: Weights) -> Weights:
    linear = ("in_proj.weight", "out_proj.weight", "fc1.weight", "fc2.weight")
    return {key: value[:, :, None, None] if key.endswith(linear) else value for key, value in weights.items()}


@pytest.mark.parametrize("variant", ["small", "medium"])
@pytest.mark.parametrize("layout", ["native", "release", "hf"])
def test_published_sizes_come_back_whole_from_each_layout(
    key_maps: dict[str, list[dict[str, Any]]], tmp_path: Path, variant: str, layout: str
) -> None:
    model = dass(variant, 527)
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    published = as_published(key_maps, weights, layout)
    assert {key: list(value.shape) for key, value in published.items()} == {
        row[layout]: row["hf_shape" if layout == "hf" else "shape"] for row in key_maps[variant]
    }
    save_file(published, tmp_path / "weights.safetensors")
    other = dass(variant, 527)
    report = load_pretrained(other, str(tmp_path / "weights.safetensors"), head=True)
    assert differing(other, weights) == []
    assert report.loaded == len(key_maps[variant])
    assert report.dropped == ()


@pytest.mark.parametrize(
    ("layout", "lay_out"),
    [
        ("native", lambda weights, maps: weights),
        ("release", lambda weights, maps: as_published(maps, weights, "release")),
        ("hugging face", lambda weights, maps: as_published(maps, weights, "hf")),
        (
            "fine-tuned",
            lambda weights, maps: {
                "model": {f"v.{key}": value for key, value in weights.items()},
                "args": argparse.Namespace(lr=5e-5, model="dass"),
                "epoch": 50,
            },
        ),
        ("native", lambda weights, maps: convolutional(weights)),
        ("vmamba", lambda weights, maps: {"model": weights}),
        ("vmamba", lambda weights, maps: old_vmamba(weights)),
    ],
)
def test_a_new_head_meets_the_backbone_of_each_layout(
    key_maps: dict[str, list[dict[str, Any]]],
    tmp_path: Path,
    layout: str,
    lay_out: Callable[[Weights, Any], dict[str, Any]],
) -> None:
    tiny = tiny_weights()
    torch.save(lay_out(tiny, key_maps), tmp_path / "dass.pth")
    model = dass("tiny", 4)
    head = model.classifier.head.weight.clone()
    report = load_pretrained(model, str(tmp_path / "dass.pth"))
    assert report.layout == layout
    assert report.loaded == len(tiny) - 2
    assert len(report.dropped) == 2
    assert all("head" in key for key in report.dropped)
    assert report.sha256 == hashlib.sha256((tmp_path / "dass.pth").read_bytes()).hexdigest()
    assert differing(model, tiny | {key: model.state_dict()[key] for key in HEAD}) == []
    assert torch.equal(model.classifier.head.weight, head)


def test_a_stem_for_colour_is_summed_to_grey(tmp_path: Path) -> None:
    tiny = tiny_weights()
    colour = tiny | {"patch_embed.0.weight": tiny["patch_embed.0.weight"].expand(-1, 3, -1, -1) * 2}
    torch.save({"model": colour}, tmp_path / "vssm.pth")
    model = dass("tiny", 4)
    load_pretrained(model, str(tmp_path / "vssm.pth"))
    torch.testing.assert_close(model.state_dict()["patch_embed.0.weight"], tiny["patch_embed.0.weight"] * 6)


@pytest.mark.parametrize(("of_file", "of_recipe"), [*itertools.permutations(get_args(Stem), 2)])
def test_weights_of_another_stem_are_refused_with_what_to_set(
    of_file: Any, of_recipe: Any, tmp_path: Path
) -> None:
    size = DASS_VARIANTS["tiny"]
    kept = DASS(size.depths, size.dims, stem=of_file)
    torch.save(kept.state_dict(), tmp_path / "dass.pth")
    said = (
        f"the stem of the file is {of_file}, that of the recipe {of_recipe}: set backbone.stem to {of_file}$"
    )
    with pytest.raises(PretrainedError, match=said):
        load_pretrained(DASS(size.depths, size.dims, stem=of_recipe), str(tmp_path / "dass.pth"))


def test_weights_of_a_stem_with_batch_norms_bring_their_running_statistics(tmp_path: Path) -> None:
    size = DASS_VARIANTS["tiny"]
    kept, model = (DASS(size.depths, size.dims, stem="batch_norm") for _ in range(2))
    kept(torch.randn(3, 32, 32))
    torch.save(kept.state_dict(), tmp_path / "dass.pth")
    load_pretrained(model, str(tmp_path / "dass.pth"), head=True)
    assert differing(model, kept.state_dict()) == []
    assert model.state_dict()["patch_embed.2.num_batches_tracked"] == 1


def test_other_mel_bands_than_a_stem_of_convolutional_blocks_has_are_refused_by_the_field(
    tmp_path: Path,
) -> None:
    size = DASS_VARIANTS["tiny"]
    kept, model = (DASS(size.depths, size.dims, stem="conv_blocks", mels=mels) for mels in (64, 32))
    torch.save(kept.state_dict(), tmp_path / "dass.pth")
    said = r"one number of mel bands \(features\.n_mels\); .*bn0\.running_mean \(64,\), not \(32,\)"
    with pytest.raises(PretrainedError, match=said):
        load_pretrained(model, str(tmp_path / "dass.pth"))
