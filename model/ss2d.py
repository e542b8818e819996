"""SS2D: the state-space layer that mixes a feature map along four scan directions."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from model.layer_norm import CastingLayerNorm
from model.pointwise import Pointwise, pointwise
from model.recipe_parts import Hook, SmoothingConfig
from model.selective_scan.cross_selective_scan import DirectionInputs, cross_selective_scan, direction_inputs
from model.smoothing import gaussian_smooth

DT_RANGE = (1e-3, 1e-1)
"""Range of the first step sizes delta, as in Mamba."""
DT_FLOOR = 1e-4
"""Smallest first step size."""


class SS2D(nn.Module):
    """Projection, depthwise convolution, four selective scans, their sum normalised and projected; no gate.

    Maps are (batch, height, width, channels). Attribute names are the keys of the published weights.

    Reference: Liu et al., "VMamba", https://arxiv.org/abs/2401.10166, in the form of DASS ("v05_noz")
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 1,
        smoothing: SmoothingConfig | None = None,
        scan_engine: str = "auto",
    ) -> None:
        super().__init__()
        dt_rank = math.ceil(d_model / 16)
        self.smoothing = smoothing
        self.scan_engine = scan_engine
        self.x_proj_weight = nn.Parameter(torch.empty(4, dt_rank + 2 * d_state, d_model))
        self.A_logs = nn.Parameter(torch.empty(4 * d_model, d_state))
        self.Ds = nn.Parameter(torch.empty(4 * d_model))
        self.dt_projs_weight = nn.Parameter(torch.empty(4, d_model, dt_rank))
        self.dt_projs_bias = nn.Parameter(torch.empty(4, d_model))
        self.out_norm = CastingLayerNorm(d_model, scan_engine, feeds_product=True)
        self.in_proj = Pointwise(d_model, d_model, bias=False)
        self.conv2d = nn.Conv2d(d_model, d_model, 3, padding=1, groups=d_model, bias=False)
        self.out_proj = Pointwise(d_model, d_model, bias=False)
        self.reset_scan_parameters()

    @torch.no_grad()
    def reset_scan_parameters(self) -> None:
        """Draw the scan's parameters: delta starts log-uniform in `DT_RANGE`, A at -1, -2, ..., D at 1."""
        for direction in self.x_proj_weight:
            nn.init.kaiming_uniform_(direction, a=math.sqrt(5))
        nn.init.uniform_(self.dt_projs_weight, -1, 1).mul_(self.dt_projs_weight.shape[-1] ** -0.5)
        low, high = map(math.log, DT_RANGE)
        delta = nn.init.uniform_(self.dt_projs_bias, low, high).exp_().clamp_(min=DT_FLOOR)
        delta.add_(torch.log(-torch.expm1(-delta)))  # the inverse of softplus
        self.A_logs.copy_(torch.arange(1, self.A_logs.shape[1] + 1).log().expand_as(self.A_logs))
        self.Ds.fill_(1)

    def forward(
        self, x: Float[Tensor, "batch height width channels"]
    ) -> Float[Tensor, "batch height width channels"]:
        u, projected = self._projections(x)
        y = cross_selective_scan(
            u,
            projected,
            self.dt_projs_weight,
            self.dt_projs_bias,
            -torch.exp(self.A_logs),
            self.Ds,
            engine=self.scan_engine,
        )
        y = self.out_proj(self.out_norm(smooth_at("scan_output", y, self.smoothing)))
        return smooth_at("op_output", y, self.smoothing)

    def scan_inputs(self, x: Float[Tensor, "batch height width channels"]) -> DirectionInputs:
        """Compute the sequences that the four scans read when the layer's input is `x`, each in its own order."""
        return direction_inputs(*self._projections(x), self.dt_projs_weight)

    def _projections(self, x: Tensor) -> tuple[Tensor, Tensor]:
        u = functional.silu(self.conv2d(self.in_proj(x).permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        u = smooth_at("scan_input", u, self.smoothing)
        return u, pointwise(u, self.x_proj_weight.flatten(0, 1))


def smooth_at(
    hook: Hook, x: Float[Tensor, "batch height width channels"], smoothing: SmoothingConfig | None
) -> Float[Tensor, "batch height width channels"]:
    """Smooth `x` if `smoothing` is meant for this hook; else return `x` itself."""
    if smoothing is None or smoothing.hook != hook:
        return x
    x = gaussian_smooth(x.permute(0, 3, 1, 2), smoothing.kernel_size, smoothing.sigma, smoothing.padding)
    return x.permute(0, 2, 3, 1)
