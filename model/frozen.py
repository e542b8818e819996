"""A frozen encoder under a head: only the head is trained, on features that the encoder computed once."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.ast import AST
from model.beats import BEATs
from model.cnn_tsa import CNNTSA
from model.dass import DASS
from model.frozen_parts import FrozenConfig

Encoder = DASS | AST | CNNTSA | BEATs


class FrozenHead(nn.Module):
    """Standardises an encoder's features, and classifies them: linear, or with one hidden layer and a ReLU.

        z = (x - mean) * scale;   logits = W2 dropout(relu(W1 z + b1)) + b2, or W dropout(z) + b

    To training it is a backbone whose inputs are features of `width` numbers, so that losses, mixup, sharpness-aware
    steps and all else work as on a whole network. `mean` and `scale` are buffers, set by `standardise`.
    """

    mean: Float[Tensor, " width"]
    scale: Float[Tensor, " width"]

    def __init__(self, width: int, num_classes: int, hidden: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.hidden = nn.Linear(width, hidden) if hidden else None
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden or width, num_classes)
        self._nothing = nn.Identity()

    @property
    def feature_dim(self) -> int:
        """Width of the encoder's features."""
        return self.width

    @property
    def stem_layers(self) -> nn.Module:
        """What `stem` runs: nothing."""
        return self._nothing

    def grid(self, frames: int, mels: int) -> tuple[int, int]:
        """Count the cells of pooled features, which have no places: one."""
        return 1, 1

    def stem(self, x: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Return the features as they are."""
        return x

    def forward_grid(self, grid: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Return the features as they are."""
        return grid

    def classify(self, features: Float[Tensor, "batch width"]) -> Float[Tensor, "batch classes"]:
        """Compute logits of an encoder's features."""
        return self(features)

    def forward(self, x: Float[Tensor, "batch width"]) -> Float[Tensor, "batch classes"]:
        """Compute logits of an encoder's features."""
        x = (x - self.mean) * self.scale
        if self.hidden is not None:
            x = torch.relu(self.hidden(x))
        return self.classifier(self.dropout(x))

    @torch.no_grad()
    def standardise(self, mean: Float[Tensor, " width"], deviation: Float[Tensor, " width"]) -> None:
        """Take mean and deviation of each feature over the training cycles; one that never changes becomes 0."""
        # What differs by the rounding of float32 alone is no difference.
        varies = deviation > 1e-6 * mean.abs()
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(varies, 1 / deviation, 0.0))


class FrozenNetwork(nn.Module):
    """A backbone as a fixed encoder, and the head on its features: one network from log-mels to logits.

    The encoder stays in evaluation mode and in float32, whatever mode and precision the rest has, so that it gives the
    features that were stored. Its own classifier answers nothing and is zero.
    """

    def __init__(self, encoder: Encoder, num_classes: int, config: FrozenConfig) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False).eval()
        self.head = FrozenHead(encoder.feature_dim, num_classes, config.hidden, config.dropout)

    def train(self, mode: bool = True) -> FrozenNetwork:
        """Set the mode of the head alone."""
        super().train(mode)
        self.encoder.eval()
        return self

    @property
    def feature_dim(self) -> int:
        """Width of the pooled features."""
        return self.encoder.feature_dim

    @property
    def stem_layers(self) -> nn.Module:
        """What `stem` runs."""
        return self.encoder.stem_layers

    def grid(self, frames: int, mels: int) -> tuple[int, int]:
        """Count the (frequency, time) cells of the encoder's grid."""
        return self.encoder.grid(frames, mels)

    def stem(self, x: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch channels height width"]:
        """Run the encoder's stem."""
        with torch.autocast(x.device.type, enabled=False):
            return self.encoder.stem(x.float())

    def forward_grid(
        self, grid: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch features"]:
        """Run the rest of the encoder; returns its pooled features, not standardised."""
        with torch.autocast(grid.device.type, enabled=False):
            return self.encoder.forward_grid(grid)

    def classify(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch classes"]:
        """Compute logits of the encoder's features."""
        return self.head(features)

    def embed(self, x: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch features"]:
        """Compute the encoder's pooled features of log-mels: what is stored, and what the head is given."""
        return self.forward_grid(self.stem(x))

    def forward(self, x: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch classes"]:
        """Compute logits of normalised log-mels."""
        return self.classify(self.embed(x))


def encoder_of(network: nn.Module) -> nn.Module:
    """Return the encoder of a `FrozenNetwork`, and any other network as it is: what has layers to look into."""
    return network.encoder if isinstance(network, FrozenNetwork) else network
