"""Networks of every kind from the checkpoint of a training run of ours, on whatever task it was trained."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from model.pretrained import load_pretrained
from model.projector import Projector
from model.recipe_parts import BackboneConfig, SmoothingConfig
from model.registry import build_backbone
from model.training.checkpoint import save_checkpoint
from model.weights_file import PretrainedError


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


@pytest.mark.parametrize("name", ["dass", "ast", "cnn_tsa", "beats"])
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
        ("beats", "ast", {}, "the weights of a BEATs, not of this AST; "),
        ("dass", "beats", {}, "the weights of a DASS, not of this BEATs; "),
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
