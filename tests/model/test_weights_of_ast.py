"""AST from both layouts of its weights (golden/ast_sam/ast_tiny_checkpoint)."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from model.ast import AST
from model.pretrained import load_pretrained
from model.weights_file import PretrainedError
from tests.goldens import Golden
from tests.model.weights import Weights, differing


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
