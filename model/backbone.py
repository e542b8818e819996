"""What training asks of a network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class Backbone(Protocol):
    """What training asks of a network: features that can be mixed on the way, and logits from them.

    What a network computes of a sample depends on no other sample, unless it holds a batch norm and is training. Then
    a batch must not be split into chunks.
    """

    @property
    def feature_dim(self) -> int:
        """Width of the pooled features."""
        ...

    @property
    def stem_layers(self) -> nn.Module:
        """What `stem` runs: if it holds batch norm, a batch goes through the stem as a whole."""
        ...

    def modules(self) -> Iterator[nn.Module]:
        """All modules, as of any `nn.Module`."""
        ...

    def grid(self, frames: int, mels: int) -> tuple[int, int]:
        """Count the (frequency, time) cells of the grid on which mixes are drawn."""
        ...

    def stem(self, x: Tensor) -> Tensor:
        """Compute the grid (batch, channels, frequency, time) of log-mels (batch, frames, mels), without any chance."""
        ...

    def forward_grid(self, grid: Tensor) -> Tensor:
        """Compute pooled features (batch, feature_dim) of a grid.

        Without batch norm after the stem no sample's features depend on another sample. With it they do, in training.
        """
        ...

    def classify(self, features: Tensor) -> Tensor:
        """Compute logits (batch, classes) of pooled features."""
        ...
