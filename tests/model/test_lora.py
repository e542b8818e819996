"""Low-rank pairs on AST and BEATs, from weights of ours that stand for pretrained ones."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from model.ast import AST
from model.beats import BEATs
from model.lora import add_lora, has_lora, merged
from model.lora_config import LoRAConfig, Target
from model.pretrained import load_pretrained
from model.recipe_parts import BackboneConfig, SmoothingConfig
from model.registry import build_backbone
from model.weights_file import PretrainedError

NAMES = ["ast", "beats"]
ALL: tuple[Target, ...] = ("query", "key", "value", "output")


def plain(name: Any, num_classes: int = 4) -> Any:
    torch.manual_seed(1)
    config = BackboneConfig(name=name, variant="tiny")
    return build_backbone(config, SmoothingConfig(stage=None), num_classes, (64, 32)).eval()


def adapted(name: Any, folder: Path, *, disturbed: bool = False, **lora: Any) -> Any:
    """A network with pairs beside the weights of `plain`; `disturbed`: with numbers for zeros in its pairs."""
    path = folder / f"{name}.safetensors"
    save_file({key: value.contiguous() for key, value in plain(name).state_dict().items()}, path)
    config = BackboneConfig(name=name, variant="tiny", pretrained=str(path), lora=LoRAConfig(**lora))
    model = build_backbone(config, SmoothingConfig(stage=None), 4, (64, 32)).eval()
    if disturbed:
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def features(model: Any, x: Tensor) -> Tensor:
    return model.forward_grid(model.stem(x))


@pytest.mark.parametrize("name", NAMES)
def test_at_first_the_features_are_those_of_the_pretrained_network(name: str, tmp_path: Path) -> None:
    x = torch.randn(2, 64, 32)
    before, after = plain(name), adapted(name, tmp_path, targets=ALL)
    assert has_lora(after)
    assert not has_lora(before)
    for training in (True, False):
        with torch.set_grad_enabled(training):
            # Not to the bit: PyTorch may choose another way of multiplying by a weight that was computed.
            torch.testing.assert_close(features(after, x), features(before, x), atol=2e-6, rtol=0)


def test_an_ast_with_pairs_keeps_its_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = AST(8, 2, 2, 16).eval()
    grid = model.stem(torch.randn(2, 36, 26)).detach()
    add_lora(model, LoRAConfig(rank=2, targets=ALL))
    with torch.no_grad():
        model.blocks[0].get_parameter("self_attn.parametrizations.in_proj_weight.0.query.B").fill_(0.5)
    slow = model.forward_grid(grid)
    assert slow.requires_grad
    name, calls = "_transformer_encoder_layer_fwd", []
    fused = getattr(torch, name)
    monkeypatch.setattr(torch, name, lambda *rest: calls.append(len(rest)) or fused(*rest))
    with torch.no_grad():
        torch.testing.assert_close(model.forward_grid(grid), slow, atol=2e-6, rtol=0)
    assert len(calls) == 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("targets", [("query", "value"), ("output",), ALL])
def test_pairs_of_the_targets_and_the_classifier_alone_are_trained(
    name: str, targets: tuple[Target, ...], tmp_path: Path
) -> None:
    model = adapted(name, tmp_path, rank=3, targets=targets)
    trained = {key: value.numel() for key, value in model.named_parameters() if value.requires_grad}
    pairs = [key for key in trained if "parametrizations" in key]
    assert all(any(f".0.{target}." in key for target in targets) for key in pairs)
    # Two blocks of two matrices each, 3 x 48.
    assert sum(trained[key] for key in pairs) == 2 * len(targets) * 2 * 3 * 48
    rest = trained.keys() - set(pairs)
    assert rest == {key for key, _ in model.named_parameters() if key.startswith(("mlp_head.", "predictor."))}
    F.cross_entropy(model(torch.randn(4, 64, 32)), torch.arange(4)).backward()
    for key, value in model.named_parameters():
        assert (value.grad is not None) == value.requires_grad, key
        # While B is zero, A is not heard of.
        if key.endswith(".B"):
            assert value.grad.abs().max() > 0, key


def test_an_update_is_the_product_of_the_paper_on_rows_of_its_projection(tmp_path: Path) -> None:
    model = adapted("ast", tmp_path, disturbed=True, rank=2, alpha=6.0, targets=("query", "value"))
    attention = model.blocks[1].self_attn
    base = plain("ast").blocks[1].self_attn.in_proj_weight
    pairs = attention.parametrizations["in_proj_weight"][0]
    x = torch.randn(5, 48)
    for rows, pair in ((slice(0, 48), pairs.query), (slice(96, 144), pairs.value)):
        expected = x @ base[rows].T + 3 * ((x @ pair.A.T) @ pair.B.T)
        torch.testing.assert_close(x @ attention.in_proj_weight[rows].T, expected)
    assert torch.equal(attention.in_proj_weight[48:96], base[48:96])


@pytest.mark.parametrize("name", NAMES)
def test_merged_weights_answer_as_pairs_do(name: str, tmp_path: Path) -> None:
    model = adapted(name, tmp_path, disturbed=True, rank=4, alpha=2.0, targets=ALL).double()
    other = plain(name).double()
    other.load_state_dict(merged(model.state_dict()))
    x = torch.randn(2, 64, 32).double()
    for training in (True, False):
        with torch.set_grad_enabled(training):
            torch.testing.assert_close(other(x), model(x), atol=1e-6, rtol=0)
            assert not torch.allclose(features(plain(name).double(), x), features(model, x), atol=1e-2)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_with_pairs_is_read_again_and_by_one_without_as_merged(name: Any, tmp_path: Path) -> None:
    model = adapted(name, tmp_path, disturbed=True)
    path = tmp_path / "trained.safetensors"
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path)
    again = adapted(name, tmp_path)
    load_pretrained(again, str(path), head=True)
    x = torch.randn(2, 64, 32)
    with torch.no_grad():
        assert torch.equal(again(x), model(x))
    torch.save(
        {"modules": {f"model.{key}": value for key, value in model.state_dict().items()}}, tmp_path / "run.pt"
    )
    further = plain(name, num_classes=7)
    load_pretrained(further, str(tmp_path / "run.pt"))
    torch.testing.assert_close(features(further, x), features(model, x), atol=1e-6, rtol=0)
    # And a new adaptation starts from what an earlier one has come to.
    config = BackboneConfig(name=name, variant="tiny", pretrained=str(path), lora=LoRAConfig(rank=2))
    anew = build_backbone(config, SmoothingConfig(stage=None), 4, (64, 32)).eval()
    torch.testing.assert_close(features(anew, x), features(model, x), atol=1e-6, rtol=0)


def test_pairs_without_one_of_their_matrices_are_refused(tmp_path: Path) -> None:
    model = adapted("beats", tmp_path, disturbed=True)
    tensors = {key: value.contiguous() for key, value in model.state_dict().items()}
    lost = "encoder.layers.0.self_attn.q_proj.parametrizations.weight.0.query.B"
    del tensors[lost]
    save_file(tensors, tmp_path / "cut.safetensors")
    with pytest.raises(PretrainedError) as caught:
        load_pretrained(adapted("beats", tmp_path), str(tmp_path / "cut.safetensors"), head=True)
    assert caught.value.missing == (lost,)
    with pytest.raises(PretrainedError) as caught:
        load_pretrained(plain("beats"), str(tmp_path / "cut.safetensors"))
    assert "encoder.layers.0.self_attn.q_proj.weight" in caught.value.missing


@pytest.mark.parametrize(("kind", "name"), [(AST, "ast"), (BEATs, "beats")])
def test_pairs_of_a_published_size_are_a_small_share(kind: type, name: Any) -> None:
    with torch.device("meta"):
        model = build_backbone(BackboneConfig(name=name), SmoothingConfig(stage=None), 4, (798, 128))
        assert isinstance(model, AST | BEATs)
        assert type(model) is kind
        add_lora(model, LoRAConfig())
    pairs = sum(
        value.numel()
        for key, value in model.named_parameters()
        if value.requires_grad and "parametrizations" in key
    )
    # 12 layers, query and value, A and B of 8 x 768.
    assert pairs == 12 * 2 * 2 * 8 * 768 == 294_912
