"""Layouts of public weights (golden/dass/key_maps, golden/ast_sam/ast_tiny_checkpoint, PANNs) and our own."""

import argparse
import hashlib
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
import torch.nn.functional as F
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from safetensors.torch import save_file
from torch import Tensor

from model.ast import AST
from model.cnn_tsa import CNNTSA
from model.dass import DASS
from model.pretrained import load_pretrained
from model.projector import Projector
from model.recipe_parts import BackboneConfig, SmoothingConfig
from model.registry import build_backbone
from model.training.checkpoint import save_checkpoint
from model.variants import DASS_VARIANTS
from model.weights_file import PretrainedError
from tests.goldens import Golden, facts

Weights = dict[str, Tensor]
HEAD = ["classifier.head.weight", "classifier.head.bias"]


def dass(variant: Any, num_classes: int) -> DASS:
    built = build_backbone(
        BackboneConfig(variant=variant, stem_norm="layer"), SmoothingConfig(stage=None), num_classes, (64, 64)
    )
    assert isinstance(built, DASS)
    return built


def differing(model: torch.nn.Module, weights: Weights) -> list[str]:
    return [key for key, value in model.state_dict().items() if not torch.equal(value, weights[key])]


@pytest.fixture(scope="module")
def key_maps() -> dict[str, list[dict[str, Any]]]:
    return facts("dass/key_maps")


@pytest.fixture(scope="module")
def tiny() -> Weights:
    torch.manual_seed(1)
    return {key: torch.randn_like(value) for key, value in dass("tiny", 527).state_dict().items()}


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
    tiny: Weights,
    tmp_path: Path,
    layout: str,
    lay_out: Callable[[Weights, Any], dict[str, Any]],
) -> None:
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


def test_a_stem_for_colour_is_summed_to_grey(tiny: Weights, tmp_path: Path) -> None:
    colour = tiny | {"patch_embed.0.weight": tiny["patch_embed.0.weight"].expand(-1, 3, -1, -1) * 2}
    torch.save({"model": colour}, tmp_path / "vssm.pth")
    model = dass("tiny", 4)
    load_pretrained(model, str(tmp_path / "vssm.pth"))
    torch.testing.assert_close(model.state_dict()["patch_embed.0.weight"], tiny["patch_embed.0.weight"] * 6)


def test_a_folder_with_a_hugging_face_model_is_enough(tiny: Weights, tmp_path: Path) -> None:
    save_file(tiny, tmp_path / "model.safetensors")
    assert load_pretrained(dass("tiny", 4), str(tmp_path)).path == tmp_path / "model.safetensors"


def test_a_partial_backbone_is_refused_key_by_key_and_changes_nothing(tiny: Weights, tmp_path: Path) -> None:
    broken = {key: value for key, value in tiny.items() if key != "layers.0.blocks.0.op.Ds"}
    broken["layers.9.blocks.0.op.Ds"] = torch.ones(3)
    broken["patch_embed.7.bias"] = torch.ones(5)
    torch.save(broken, tmp_path / "dass.pth")
    model = dass("tiny", 4)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(
        PretrainedError, match=r"dass\.pth: not the weights of this DASS; 1 missing: .*op\.Ds"
    ) as caught:
        load_pretrained(model, str(tmp_path / "dass.pth"))
    assert caught.value.missing == ("layers.0.blocks.0.op.Ds",)
    assert caught.value.unexpected == ("layers.9.blocks.0.op.Ds",)
    assert caught.value.misshaped == ("patch_embed.7.bias (5,), not (16,)",)
    assert differing(model, before) == []


@pytest.mark.parametrize(("of_file", "of_recipe"), [("layer", "batch"), ("batch", "layer")])
def test_weights_of_a_stem_with_another_norm_are_refused_with_what_to_set(
    of_file: Any, of_recipe: Any, tmp_path: Path
) -> None:
    size = DASS_VARIANTS["tiny"]
    kept = DASS(size.depths, size.dims, stem_norm=of_file)
    torch.save(kept.state_dict(), tmp_path / "dass.pth")
    said = f"the stem of the file has {of_file} norms, .* set backbone.stem_norm to {of_file}$"
    with pytest.raises(PretrainedError, match=said):
        load_pretrained(DASS(size.depths, size.dims, stem_norm=of_recipe), str(tmp_path / "dass.pth"))


def test_weights_of_a_stem_with_batch_norms_bring_their_running_statistics(tmp_path: Path) -> None:
    size = DASS_VARIANTS["tiny"]
    kept, model = (DASS(size.depths, size.dims, stem_norm="batch") for _ in range(2))
    kept(torch.randn(3, 32, 32))
    torch.save(kept.state_dict(), tmp_path / "dass.pth")
    load_pretrained(model, str(tmp_path / "dass.pth"), head=True)
    assert differing(model, kept.state_dict()) == []
    assert model.state_dict()["patch_embed.2.num_batches_tracked"] == 1


def test_another_size_is_refused_in_one_line(tiny: Weights, tmp_path: Path) -> None:
    torch.save(tiny, tmp_path / "dass.pth")
    with pytest.raises(PretrainedError, match=r"missing: .* of another shape: ") as caught:
        load_pretrained(dass("small", 4), str(tmp_path / "dass.pth"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 3000


def test_a_head_that_is_asked_for_must_fit(tiny: Weights, tmp_path: Path) -> None:
    torch.save(tiny, tmp_path / "dass.pth")
    with pytest.raises(PretrainedError, match=r"classifier\.head\.weight \(527, 128\), not \(4, 128\)"):
        load_pretrained(dass("tiny", 4), str(tmp_path / "dass.pth"), head=True)


class Runs:
    """Unpickled, it would run a command of its own."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("1/0",)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("name", ["dass.pth", "dass.safetensors"])
@pytest.mark.parametrize("damage", [cut, lambda content: b"", lambda content: b"<html>404 Not Found</html>"])
def test_a_file_that_is_no_checkpoint_is_refused_in_one_line(
    tiny: Weights, tmp_path: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / name
    save_file(tiny, path) if name.endswith("safetensors") else torch.save(tiny, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(PretrainedError, match=rf"{name}: not a checkpoint, or a truncated one$"):
        load_pretrained(dass("tiny", 4), str(path))


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save({"model": {}, "args": Runs()}, tmp_path / "dass.pth")
    with pytest.raises(
        PretrainedError, match=r"refused, for it needs .*eval to be run; expected tensors"
    ) as caught:
        load_pretrained(dass("tiny", 4), str(tmp_path / "dass.pth"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[1, 2], {}, {"model": {"epoch": 3}}, torch.ones(3), {3: torch.ones(3)}])
def test_a_file_without_named_tensors_is_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "dass.pth")
    with pytest.raises(PretrainedError, match="expected tensors by name"):
        load_pretrained(dass("tiny", 4), str(tmp_path / "dass.pth"))


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda value: value * float("nan"), "not finite"),
        (lambda value: value.to(torch.int32), "not in floating point"),
        (lambda value: value.to(torch.complex64), "not in floating point"),
    ],
)
def test_weights_that_are_no_finite_real_numbers_are_refused(
    tiny: Weights, tmp_path: Path, spoil: Callable[[Tensor], Tensor], what: str
) -> None:
    name = "layers.0.blocks.0.op.A_logs"
    torch.save({**tiny, name: spoil(tiny[name])}, tmp_path / "dass.pth")
    with pytest.raises(PretrainedError, match=rf"dass\.pth: 1 of \d+ tensors are {what}: {name}; expected"):
        load_pretrained(dass("tiny", 4), str(tmp_path / "dass.pth"))


def test_a_file_cut_before_its_directory_is_truncated_not_unreadable(tiny: Weights, tmp_path: Path) -> None:
    torch.save(tiny, tmp_path / "dass.pth")
    whole = (tmp_path / "dass.pth").read_bytes()
    for length in (1, 100, 1000, len(whole) - 100, len(whole) - 1):
        (tmp_path / "dass.pth").write_bytes(whole[:length])
        with pytest.raises(PretrainedError, match="not a checkpoint, or a truncated one"):
            load_pretrained(dass("tiny", 4), str(tmp_path / "dass.pth"))


@pytest.mark.parametrize("source", ["missing.pth", "weights/DASS_small.pth", "DASS_small"])
def test_a_path_without_a_file_is_not_taken_for_a_hub_id(source: str) -> None:
    with pytest.raises(PretrainedError, match="no such file; expected a checkpoint file or a hub id"):
        load_pretrained(dass("tiny", 4), source)


def test_an_empty_folder_holds_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(PretrainedError, match=r"no checkpoint; expected model\.safetensors or"):
        load_pretrained(dass("tiny", 4), str(tmp_path))


def test_a_hub_id_is_fetched(tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(hub_id: str, name: str) -> str:
        asked.append((hub_id, name))
        if name != "pytorch_model.bin":
            raise EntryNotFoundError("404")
        torch.save(tiny, tmp_path / name)
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    load_pretrained(dass("tiny", 4), "author/DASS_tiny")
    assert asked == [("author/DASS_tiny", "model.safetensors"), ("author/DASS_tiny", "pytorch_model.bin")]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (LocalEntryNotFoundError("no route to host"), "the Hugging Face hub cannot be reached"),
        (RuntimeError("401 Client Error.\n\nRepository Not Found"), "the hub refused it: 401 Client Error.$"),
    ],
)
def test_a_hub_that_gives_nothing_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def download(hub_id: str, name: str) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(PretrainedError, match=f"author/name: no such local file, and {said}"):
        load_pretrained(dass("tiny", 4), "author/name")


@pytest.fixture(scope="module")
def published_ast() -> Weights:
    return dict(Golden("ast_sam/ast_tiny_checkpoint"))


def ast_as_hugging_face(published: Weights) -> Weights:
    prefix = "audio_spectrogram_transformer"
    names = {
        "module.v.cls_token": f"{prefix}.embeddings.cls_token",
        "module.v.dist_token": f"{prefix}.embeddings.distillation_token",
        "module.v.pos_embed": f"{prefix}.embeddings.position_embeddings",
    }
    parts = {
        "module.v.patch_embed.proj.": f"{prefix}.embeddings.patch_embeddings.projection.",
        "module.v.norm.": f"{prefix}.layernorm.",
        "module.v.blocks.": f"{prefix}.encoder.layer.",
        "module.mlp_head.0.": "classifier.layernorm.",
        "module.mlp_head.1.": "classifier.dense.",
        ".attn.proj.": ".attention.output.dense.",
        ".mlp.fc1.": ".intermediate.dense.",
        ".mlp.fc2.": ".output.dense.",
        ".norm1.": ".layernorm_before.",
        ".norm2.": ".layernorm_after.",
    }
    renamed = {}
    for key, value in published.items():
        if key.startswith("module.v.head"):
            continue
        name = names.get(key, key)
        for part, other in parts.items():
            name = name.replace(part, other)
        if ".attn.qkv." in name:
            for which, rows in zip(("query", "key", "value"), value.chunk(3), strict=True):
                renamed[name.replace(".attn.qkv.", f".attention.attention.{which}.")] = rows.clone()
        else:
            renamed[name] = value
    return renamed


def test_both_layouts_of_ast_load_alike(published_ast: Weights, tmp_path: Path) -> None:
    torch.save(published_ast, tmp_path / "audioset.pth")
    save_file(ast_as_hugging_face(published_ast), tmp_path / "model.safetensors")
    original, hugging_face = AST(24, 2, 3, 48, 5), AST(24, 2, 3, 48, 5)
    first = load_pretrained(original, str(tmp_path / "audioset.pth"), head=True)
    second = load_pretrained(hugging_face, str(tmp_path / "model.safetensors"), head=True)
    assert differing(original, hugging_face.state_dict()) == []
    assert (first.layout, second.layout) == ("release", "hugging face")
    assert len(first.dropped) == 4
    assert second.dropped == ()


def test_an_ast_attention_without_its_keys_is_refused(published_ast: Weights, tmp_path: Path) -> None:
    partial = ast_as_hugging_face(published_ast)
    del partial["audio_spectrogram_transformer.encoder.layer.1.attention.attention.key.weight"]
    save_file(partial, tmp_path / "model.safetensors")
    with pytest.raises(PretrainedError) as caught:
        load_pretrained(AST(24, 2, 3, 48), str(tmp_path))
    assert caught.value.missing == ("blocks.1.self_attn.in_proj_weight",)


def test_the_head_of_ast_is_its_norm_and_its_linear_layer(published_ast: Weights, tmp_path: Path) -> None:
    save_file(published_ast, tmp_path / "model.safetensors")
    report = load_pretrained(AST(24, 2, 3, 48, num_classes=4), str(tmp_path))
    assert [key for key in report.dropped if "mlp_head" in key] == [
        "module.mlp_head.0.bias",
        "module.mlp_head.0.weight",
        "module.mlp_head.1.bias",
        "module.mlp_head.1.weight",
    ]


CNN6_CHANNELS = (1, 64, 128, 256, 512)


@pytest.fixture(scope="module")
def cnn6() -> Weights:
    """Random numbers under the names and in the shapes of PANNs' CNN6, whose front end is at 32 kHz."""
    torch.manual_seed(0)
    norms = {"bn0": 64} | {f"conv_block{n}.bn1": CNN6_CHANNELS[n] for n in range(1, 5)}
    weights = {f"{name}.{what}": torch.rand(n) + 0.5 for name, n in norms.items() for what in NORM}
    weights |= {f"{name}.num_batches_tracked": torch.tensor(7) for name in norms}
    for n, (inputs, outputs) in enumerate(pairwise(CNN6_CHANNELS), start=1):
        weights[f"conv_block{n}.conv1.weight"] = torch.randn(outputs, inputs, 5, 5) / inputs**0.5 / 5
    return weights | {
        "spectrogram_extractor.stft.conv_real.weight": torch.ones(513, 1, 1024),
        "spectrogram_extractor.stft.conv_imag.weight": torch.ones(513, 1, 1024),
        "logmel_extractor.melW": torch.ones(513, 64),
        "fc1.weight": torch.ones(512, 512),
        "fc1.bias": torch.ones(512),
        "fc_audioset.weight": torch.ones(527, 512),
        "fc_audioset.bias": torch.ones(527),
    }


NORM = ("running_mean", "running_var", "weight", "bias")


def cnn6_map(weights: Weights, x: Tensor, blocks: int) -> Tensor:
    """The map (batch, channels, time, frequency) after some blocks of CNN6 in evaluation, in plain functions."""

    def norm(x: Tensor, name: str) -> Tensor:
        mean, variance, scale, shift = (weights[f"{name}.{what}"] for what in NORM)
        return F.batch_norm(x, mean, variance, scale, shift, eps=1e-5)

    x = norm(x[:, None].transpose(1, 3), "bn0").transpose(1, 3)
    for n in range(1, blocks + 1):
        x = F.conv2d(x, weights[f"conv_block{n}.conv1.weight"], padding=2)
        x = F.avg_pool2d(F.relu(norm(x, f"conv_block{n}.bn1")), 2)
    return x


@pytest.mark.parametrize(("blocks", "variant"), [(3, "three_blocks"), (4, "four_blocks")])
def test_panns_cnn6_comes_back_whole(cnn6: Weights, tmp_path: Path, blocks: int, variant: Any) -> None:
    torch.save({"iteration": 500000, "model": cnn6}, tmp_path / "Cnn6_mAP=0.343.pth")
    config = BackboneConfig(
        name="cnn_tsa",
        variant=variant,
        attention="none",
        pretrained=str(tmp_path / "Cnn6_mAP=0.343.pth"),
    )
    model = build_backbone(config, SmoothingConfig(stage=None), 4, (40, 64)).eval()
    x = torch.randn(2, 40, 64)
    last = cnn6_map(cnn6, x, blocks)
    pooled = (last.mean(3) + last.max(3).values).mean(2)
    torch.testing.assert_close(model.forward_grid(model.stem(x)), pooled, rtol=1e-4, atol=1e-5)


def test_panns_cnn6_leaves_attention_and_head_as_they_were_and_says_what_it_dropped(
    cnn6: Weights, tmp_path: Path
) -> None:
    torch.save({"model": cnn6}, tmp_path / "cnn6.pth")
    model = CNNTSA((64, 128, 256), mels=64)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    report = load_pretrained(model, str(tmp_path / "cnn6.pth"))
    assert report.layout == "panns"
    kept = {key: value for key, value in before.items() if key.startswith(("attention.", "head."))}
    assert differing(model, cnn6 | kept) == []
    assert {key.split(".")[0] for key in report.dropped} == {
        "conv_block4",
        "fc1",
        "fc_audioset",
        "logmel_extractor",
        "spectrogram_extractor",
    }


def test_panns_cnn6_without_a_block_is_refused(cnn6: Weights, tmp_path: Path) -> None:
    partial = {key: value for key, value in cnn6.items() if not key.startswith("conv_block4.")}
    torch.save({"model": partial}, tmp_path / "cnn6.pth")
    with pytest.raises(PretrainedError, match=r"missing: conv_block4\.conv1\.weight"):
        load_pretrained(CNNTSA((64, 128, 256, 512), mels=64), str(tmp_path / "cnn6.pth"))


def test_other_mel_bands_than_the_weights_have_are_refused_by_the_field(
    cnn6: Weights, tmp_path: Path
) -> None:
    torch.save({"model": cnn6}, tmp_path / "cnn6.pth")
    said = r"one number of mel bands \(features\.n_mels\); .*bn0\.running_mean \(64,\), not \(32,\)"
    with pytest.raises(PretrainedError, match=said):
        load_pretrained(CNNTSA((64, 128, 256, 512), mels=32), str(tmp_path / "cnn6.pth"))


def built(name: Any, num_classes: int, pretrained: Path | None = None, **settings: Any) -> Any:
    config = BackboneConfig(
        name=name, variant="tiny", pretrained=None if pretrained is None else str(pretrained), **settings
    )
    return build_backbone(config, SmoothingConfig(stage=None), num_classes, (64, 32))


def run_checkpoint(name: Any, path: Path) -> Any:
    """Train a network of 7 classes for a step, save it as a run does, and return it for evaluation."""
    torch.manual_seed(0)
    model = built(name, 7)
    modules = torch.nn.ModuleDict({"model": model, "projector": Projector(8)})
    optimiser = torch.optim.SGD(modules.parameters(), lr=0.1)
    F.cross_entropy(model(torch.randn(8, 64, 32)), torch.arange(8) % 7).backward()
    optimiser.step()
    save_checkpoint(path, {"seed": 0, "modules": modules.state_dict(), "optimiser": optimiser.state_dict()})
    return model.eval()


@pytest.mark.parametrize("name", ["dass", "ast", "cnn_tsa"])
def test_a_run_on_one_task_gives_its_features_to_another(name: str, tmp_path: Path) -> None:
    trained = run_checkpoint(name, tmp_path / "checkpoint.pt")
    model = built(name, 4, tmp_path / "checkpoint.pt").eval()
    x = torch.randn(2, 64, 32)
    features = model.forward_grid(model.stem(x))
    assert torch.equal(features, trained.forward_grid(trained.stem(x)))
    assert model.classify(features).shape == (2, 4)


def test_a_run_says_what_was_read_from_it(tmp_path: Path) -> None:
    run_checkpoint("cnn_tsa", tmp_path / "checkpoint.pt")
    report = load_pretrained(built("cnn_tsa", 4), str(tmp_path / "checkpoint.pt"))
    assert (report.layout, report.dropped) == ("run", ("head.weight", "head.bias"))


@pytest.mark.parametrize(
    ("saved", "wanted", "settings", "said"),
    [
        ("dass", "cnn_tsa", {}, "the weights of a DASS, not of this CNNTSA; "),
        ("cnn_tsa", "ast", {}, "the weights of a CNNTSA, not of this AST; "),
        ("ast", "dass", {}, "the weights of an AST, not of this DASS; "),
        (
            "cnn_tsa",
            "cnn_tsa",
            {"attention": "none"},
            "3 unexpected: attention.query.weight, attention.key.weight, attention.value.weight; the file attends at "
            "post, the recipe at none: set backbone.attention to post",
        ),
        (
            "cnn_tsa",
            "cnn_tsa",
            {"attention": "input"},
            "; the file attends at post, the recipe at input: set backbone.attention to post",
        ),
    ],
)
def test_a_run_of_another_network_is_refused_with_its_name(
    tmp_path: Path, saved: str, wanted: str, settings: dict[str, Any], said: str
) -> None:
    run_checkpoint(saved, tmp_path / "checkpoint.pt")
    with pytest.raises(PretrainedError) as caught:
        built(wanted, 4, tmp_path / "checkpoint.pt", **settings)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
