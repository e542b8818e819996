"""A network of the user's own, `backbone.name: module:Class`, as the backbone that training asks for."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from data.own_code import own_object
from data.settings import ConfigError
from model.backbone import Backbone
from model.recipe_parts import BackboneConfig

TRIED_WITH = 2
"""Cycles in the batch that a network is tried with."""
_CONTRAST = {
    "patch_mix.axes": "Patch-Mix contrasts features; leave axes empty",
    "device_contrast": "devices are told by features; set its weights to 0",
    "patient_alignment": "patients are aligned by features; set its weights to 0",
}
"""Why a setting needs features, and what to do without them."""


class OwnNetwork(nn.Module):
    """Backbone around a network of the user's own, of either of two kinds.

    One that has all that `model.backbone.Backbone` asks for is mixed where it says. Any other module goes from log-mels
    (batch, frames, mels) to logits (batch, classes): its grid is the spectrogram itself, and its features are its
    logits, so that nothing can be contrasted (`gives_features`).
    """

    def __init__(self, network: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.network = network
        self._num_classes = num_classes
        self._nothing = nn.Identity()

    @property
    def gives_features(self) -> bool:
        """Whether the network tells features from logits, and can be trained with Patch-Mix."""
        return isinstance(self.network, Backbone)

    @property
    def feature_dim(self) -> int:
        return self._whole.feature_dim if self.gives_features else self._num_classes

    @property
    def stem_layers(self) -> nn.Module:
        return self._whole.stem_layers if self.gives_features else self._nothing

    def grid(self, frames: int, mels: int) -> tuple[int, int]:
        return self._whole.grid(frames, mels) if self.gives_features else (mels, frames)

    def stem(self, x: Tensor) -> Tensor:
        return self._whole.stem(x) if self.gives_features else x.transpose(1, 2).unsqueeze(1)

    def forward_grid(self, grid: Tensor) -> Tensor:
        if self.gives_features:
            return self._whole.forward_grid(grid)
        return self.network(grid.squeeze(1).transpose(1, 2))

    def classify(self, features: Tensor) -> Tensor:
        return self._whole.classify(features) if self.gives_features else features

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits (batch, classes) of log-mels (batch, frames, mels)."""
        return self.classify(self.forward_grid(self.stem(x)))

    @property
    def _whole(self) -> Backbone:
        return cast(Backbone, self.network)


def build_own_network(config: BackboneConfig, num_classes: int, input_shape: tuple[int, int]) -> OwnNetwork:
    """Call the class that `config` names with `input_shape` (frames, mels), `num_classes`, and what its config holds.

    Raises ConfigError when the module or the class is not there, the class is no `torch.nn.Module`, or the call fails.
    """
    kind = own_object(config.name)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise ConfigError(
            f"backbone.name: {config.name}: expected a class that is a torch.nn.Module, got {kind!r}"
        )
    try:
        network = kind(input_shape=input_shape, num_classes=num_classes, **config.config)
    except Exception as error:
        called = ", ".join(("input_shape", "num_classes", *config.config))
        raise ConfigError(
            f"backbone.config: {config.name} cannot be built with {called}: {type(error).__name__}: {error}"
        ) from error
    return OwnNetwork(network, num_classes)


def check_own_network(
    config: BackboneConfig, num_classes: int, input_shape: tuple[int, int], *, contrasted: str | None
) -> None:
    """Build a network of the user's own and have it answer two cycles of silence, before anything is trained.

    `contrasted`: the setting that has its features trained on, if any (`Recipe.contrasts`). Raises ConfigError for what
    cannot be built, fails, answers with something else than logits (batch, classes), or cannot be trained so.
    """
    network = build_own_network(config, num_classes, input_shape)
    if contrasted is not None and not network.gives_features:
        lacking = [
            name
            for name in ("feature_dim", "stem_layers", "grid", "stem", "forward_grid", "classify")
            if not hasattr(network.network, name)
        ]
        raise ConfigError(
            f"{contrasted}: {config.name} goes from log-mels to logits, and {_CONTRAST[contrasted]}, or give the class "
            f"{', '.join(lacking)} (model.backbone.Backbone)"
        )
    try:
        with torch.no_grad():
            logits = network.eval()(torch.zeros(TRIED_WITH, *input_shape))
    except Exception as error:
        raise ConfigError(
            f"backbone.name: {config.name} fails on log-mels of {input_shape[0]} frames and {input_shape[1]} bands: "
            f"{type(error).__name__}: {error}"
        ) from error
    expected = (TRIED_WITH, num_classes)
    if not isinstance(logits, Tensor) or tuple(logits.shape) != expected:
        got = (
            f"a tensor {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        )
        raise ConfigError(
            f"backbone.name: {config.name} must answer {TRIED_WITH} cycles with logits {expected}, got {got}"
        )
