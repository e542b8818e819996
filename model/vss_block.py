"""The block that DASS is made of: SS2D, then a perceptron in every cell, each added to what came in."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from model.layer_norm import CastingLayerNorm
from model.pointwise import Pointwise
from model.recipe_parts import SmoothingConfig
from model.ss2d import SS2D, smooth_at


class VSSBlock(nn.Module):
    """x + SS2D(norm(x)), then x + MLP(norm2(x)), on maps (batch, height, width, channels).

    `scales` are what each sample's two branches are multiplied by (`model.drop_path`); None: by one. Attribute names
    are the keys of the published weights.
    """

    def __init__(
        self,
        d_model: int,
        smoothing: SmoothingConfig | None = None,
        scan_engine: str = "auto",
    ) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.norm = CastingLayerNorm(d_model, scan_engine, feeds_product=True)
        self.op = SS2D(d_model, smoothing=smoothing, scan_engine=scan_engine)
        self.norm2 = CastingLayerNorm(d_model, scan_engine, feeds_product=True)
        self.mlp = MLP(d_model, 4 * d_model)

    def forward(
        self,
        x: Float[Tensor, "batch height width channels"],
        scales: Float[Tensor, "2 batch"] | None = None,
    ) -> Float[Tensor, "batch height width channels"]:
        mixed, mapped = (None, None) if scales is None else scales[..., None, None, None]
        x = x + _scaled(self.op(self.norm(x)), mixed)
        x = x + _scaled(self.mlp(self.norm2(x)), mapped)
        return smooth_at("block_output", x, self.smoothing)


class MLP(nn.Module):
    """Two linear layers with an exact GELU between them, in every cell."""

    def __init__(self, d_model: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = Pointwise(d_model, hidden)
        self.fc2 = Pointwise(hidden, d_model)

    def forward(
        self, x: Float[Tensor, "batch height width channels"]
    ) -> Float[Tensor, "batch height width channels"]:
        return self.fc2(functional.gelu(self.fc1(x)))


def _scaled(branch: Tensor, scales: Tensor | None) -> Tensor:
    return branch if scales is None else branch * scales
