from pathlib import Path
from typing import Any

import pytest
import torch

from data.settings import ConfigError
from model.backbone import Backbone
from model.own_network import OwnNetwork, check_own_network
from model.recipe_parts import BackboneConfig, SmoothingConfig
from model.registry import build_backbone
from tests.own_parts import write_modules

SHAPE = 32, 16
OTHERS = """
import torch
from torch import nn
from model.cnn_tsa import CNNTSA

class Convolutions(CNNTSA):
    def __init__(self, input_shape, num_classes):
        super().__init__((4, 8), input_shape[1], num_classes, "post", 0.0)

class Wide(nn.Module):
    def __init__(self, input_shape, num_classes):
        super().__init__()
        self.head = nn.Linear(input_shape[1], 99)

    def forward(self, x):
        return self.head(x.mean(1))

class Failing(Wide):
    def forward(self, x):
        return self.head(x.mean(0).mean(0)[:3])
"""


@pytest.fixture(autouse=True)
def _modules_outside_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_modules(tmp_path)
    (tmp_path / "other_networks.py").write_text(OTHERS)
    monkeypatch.syspath_prepend(tmp_path)


def built(name: str, **config: Any) -> OwnNetwork:
    network = build_backbone(BackboneConfig(name=name, config=config), SmoothingConfig(stage=None), 4, SHAPE)
    assert isinstance(network, OwnNetwork)
    return network


def test_a_module_from_log_mels_to_logits_is_a_backbone_mixed_on_the_spectrogram() -> None:
    network = built("my_networks:Recurrent", width=8).eval()
    assert isinstance(network, Backbone)
    x = torch.randn(3, *SHAPE)
    grid = network.stem(x)
    assert tuple(grid.shape[2:]) == network.grid(*SHAPE) == (16, 32)
    features = network.forward_grid(grid)
    assert features.shape == (3, network.feature_dim) == (3, 4)
    torch.testing.assert_close(network.classify(features), network.network(x))
    assert not network.gives_features


def test_its_config_is_what_it_is_called_with() -> None:
    narrow, wide = (
        built("my_networks:Recurrent", width=width).state_dict()["network.head.weight"] for width in (8, 16)
    )
    assert (narrow.shape, wide.shape) == ((4, 16), (4, 32))


def test_a_network_with_features_of_its_own_is_mixed_where_it_says() -> None:
    network = built("other_networks:Convolutions").eval()
    assert network.gives_features
    inner: Any = network.network
    x = torch.randn(2, *SHAPE)
    assert network.grid(*SHAPE) == inner.grid(*SHAPE)
    torch.testing.assert_close(network.stem(x), inner.stem(x))
    assert network.forward_grid(network.stem(x)).shape == (2, network.feature_dim)
    assert list(network.stem_layers.modules())[1:] == list(inner.stem_layers.modules())[1:]
    torch.testing.assert_close(network(x), inner(x))


def checked(name: str, *, contrasted: str | None = None, **config: Any) -> None:
    check_own_network(BackboneConfig(name=name, config=config), 4, SHAPE, contrasted=contrasted)


def test_networks_that_can_be_trained_pass() -> None:
    checked("my_networks:Recurrent", layers=2)
    checked("other_networks:Convolutions", contrasted="patch_mix.axes")


@pytest.mark.parametrize(
    ("name", "config", "complaint"),
    [
        ("my_networks:nn", {}, r"my_networks:nn: expected a class that is a torch\.nn\.Module, got <module"),
        (
            "my_networks:Recurrent",
            {"wdth": 8},
            "cannot be built with input_shape, num_classes, wdth: TypeError: .*wdth",
        ),
        ("other_networks:Wide", {}, r"must answer 2 cycles with logits \(2, 4\), got a tensor \(2, 99\)"),
        ("other_networks:Failing", {}, "fails on log-mels of 32 frames and 16 bands: "),
    ],
)
def test_a_network_that_cannot_be_trained_is_refused(
    name: str, config: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        checked(name, **config)


@pytest.mark.parametrize(
    ("setting", "instead"),
    [
        ("patch_mix.axes", "leave axes empty"),
        ("device_contrast", "set its weights to 0"),
        ("patient_alignment", "set its weights to 0"),
    ],
)
def test_what_gives_no_features_is_not_contrasted(setting: str, instead: str) -> None:
    with pytest.raises(
        ConfigError,
        match=f"{setting}: my_networks:Recurrent .*{instead}, or give the class feature_dim, stem_layers",
    ):
        checked("my_networks:Recurrent", contrasted=setting)


def test_only_the_settings_of_an_own_network_have_a_config() -> None:
    with pytest.raises(ValueError, match="config is for networks of your own, so it must be empty for ast"):
        BackboneConfig(name="ast", variant="tiny", config={"width": 3})
    for field, value in (("variant", "tiny"), ("pretrained", "x.pth")):
        with pytest.raises(ValueError, match=f"{field}: a:B is a network of your own.*must be null"):
            BackboneConfig.model_validate({"name": "a:B", field: value})
    with pytest.raises(ValueError, match=r"drop_path_rate must be null, got 0\.5"):
        BackboneConfig(name="a:B", drop_path_rate=0.5)
    with pytest.raises(
        ValueError,
        match="must be one of dass, ast, cnn_tsa, beats, or a network of your own as module:Class, got 'das'",
    ):
        BackboneConfig(name="das")


def test_an_own_network_has_no_size() -> None:
    own = BackboneConfig(name="a:B")
    assert (own.variant, own.title, own.is_own) == (None, "a:B", True)
    assert (BackboneConfig().variant, BackboneConfig().title) == ("medium", "dass medium")
    assert BackboneConfig(name="cnn_tsa", variant="tiny").is_own is False
