"""DASS and a Lung-SRAD step as one would first write them from the papers: what `benchmarks/step.py` compares with.

Maps are channels-first, the four scan orders are copied out, the recurrence is a loop over time, every pass of the
objective runs by itself, and blending goes through two copies of the state dict. Parameters have our names, so that both
networks take the same weights. Nothing here is used outside the benchmarks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn import functional

from model.patch_mix import Mix
from model.recipe_parts import PatchMixConfig, SmoothingConfig

Scan = Callable[..., Tensor]
"""(u, delta, A, B, C, D, delta_bias) to y, as `model.selective_scan.selective_scan` with softplus."""


def indexed_scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor
) -> Tensor:
    """Scan step after step, each read by its index: autograd then adds a tensor of full length for every step."""
    decay, drive, C = _terms(u, delta, A, B, C, delta_bias)
    h = torch.zeros_like(drive[:, :, 0])
    outputs = []
    for t in range(u.shape[-1]):
        h = decay[:, :, t] * h + drive[:, :, t]
        outputs.append((h * C[:, :, t]).sum(-1))
    return torch.stack(outputs, -1) + D[:, None] * u


def unbound_scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor
) -> Tensor:
    """Scan step after step with the time axis unbound once, which makes the backward pass linear in the length."""
    decay, drive, C = _terms(u, delta, A, B, C, delta_bias)
    h = torch.zeros_like(drive[:, :, 0])
    outputs = []
    for decay_t, drive_t, C_t in zip(decay.unbind(2), drive.unbind(2), C.unbind(2), strict=True):
        h = decay_t * h + drive_t
        outputs.append((h * C_t).sum(-1))
    return torch.stack(outputs, -1) + D[:, None] * u


def _terms(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, delta_bias: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute decay, drive and C of every step, each (batch, channels, length, state)."""
    delta = functional.softplus(delta + delta_bias[:, None])[..., None]
    B, C = (x.repeat_interleave(u.shape[1] // x.shape[1], dim=1).transpose(2, 3) for x in (B, C))
    return torch.exp(delta * A[:, None]), delta * B * u[..., None], C


class PlainDASS(nn.Module):
    """DASS written plainly: (batch, frames, mels) to logits and pooled features."""

    def __init__(
        self,
        depths: Sequence[int],
        dims: Sequence[int],
        num_classes: int,
        drop_path_rate: float,
        smoothing: SmoothingConfig,
        scan: Scan,
    ) -> None:
        super().__init__()
        first, skip = dims[0], nn.Identity
        self.patch_embed = nn.Sequential(
            nn.Conv2d(1, first // 2, 3, 2, 1), skip(), ChannelNorm(first // 2), skip(), nn.GELU(),
            nn.Conv2d(first // 2, first, 3, 2, 1), skip(), ChannelNorm(first),
        )  # fmt: skip
        rates = torch.linspace(0, drop_path_rate, sum(depths)).tolist()
        self.layers = nn.ModuleList()
        for stage, (depth, dim) in enumerate(zip(depths, dims, strict=True)):
            blocks = [
                Block(dim, rates.pop(0), smoothing if smoothing.smooths(stage, block, depth) else None, scan)
                for block in range(depth)
            ]
            halving = skip()
            if stage < len(depths) - 1:
                wider = dims[stage + 1]
                halving = nn.Sequential(skip(), nn.Conv2d(dim, wider, 3, 2, 1), skip(), ChannelNorm(wider))
            self.layers.append(nn.ModuleDict({"blocks": nn.Sequential(*blocks), "downsample": halving}))
        self.classifier = nn.ModuleDict(
            {"norm": ChannelNorm(dims[-1]), "head": nn.Linear(dims[-1], num_classes)}
        )

    def forward(self, x: Tensor, mix: Mix | None = None) -> tuple[Tensor, Tensor]:
        x = self.patch_embed(x.transpose(1, 2)[:, None])
        if mix is not None:
            x = torch.where(mix.replaced.to(x.device), x[mix.permutation.to(x.device)], x)
        for layer in self.layers:
            x = layer["downsample"](layer["blocks"](x))  # pyright: ignore[reportIndexIssue]
        features = self.classifier["norm"](x).mean((2, 3))
        return self.classifier["head"](features), features


class Block(nn.Module):
    def __init__(self, dim: int, drop_path: float, smoothing: SmoothingConfig | None, scan: Scan) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.norm, self.norm2 = ChannelNorm(dim), ChannelNorm(dim)
        self.op = PlainSS2D(dim, smoothing, scan)
        self.mlp = nn.ModuleDict({"fc1": Linear1x1(dim, 4 * dim), "fc2": Linear1x1(4 * dim, dim)})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._drop(self.op(self.norm(x)))
        return x + self._drop(self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm2(x)))))

    def _drop(self, x: Tensor) -> Tensor:
        if self.drop_path == 0 or not self.training:
            return x
        kept = 1 - self.drop_path
        return x * torch.empty(len(x), 1, 1, 1, device=x.device).bernoulli_(kept).to(x.dtype) / kept


class PlainSS2D(nn.Module):
    def __init__(self, dim: int, smoothing: SmoothingConfig | None, scan: Scan, state: int = 1) -> None:
        super().__init__()
        self.rank, self.state, self.scan = -(-dim // 16), state, scan
        self.smoothing = smoothing
        self.x_proj_weight = nn.Parameter(torch.empty(4, self.rank + 2 * state, dim))
        self.A_logs = nn.Parameter(torch.empty(4 * dim, state))
        self.Ds = nn.Parameter(torch.empty(4 * dim))
        self.dt_projs_weight = nn.Parameter(torch.empty(4, dim, self.rank))
        self.dt_projs_bias = nn.Parameter(torch.empty(4, dim))
        self.out_norm = ChannelNorm(dim)
        self.in_proj, self.out_proj = Linear1x1(dim, dim, bias=False), Linear1x1(dim, dim, bias=False)
        self.conv2d = nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, dim, height, width = x.shape
        x = functional.silu(self.conv2d(self.in_proj(x)))
        two = torch.stack([x.flatten(2), x.transpose(2, 3).flatten(2)], 1)
        four = torch.cat([two, two.flip(-1)], 1)  # (batch, 4, dim, length)
        projected = torch.einsum("bkdl,kcd->bkcl", four, self.x_proj_weight)
        low, B, C = projected.split([self.rank, self.state, self.state], 2)
        delta = torch.einsum("bkrl,kdr->bkdl", low, self.dt_projs_weight)
        # The recurrence wants single precision, whatever autocast made of what it reads.
        with torch.autocast(x.device.type, enabled=False):
            u, delta, B, C = (t.float().contiguous() for t in (four.flatten(1, 2), delta.flatten(1, 2), B, C))
            y = self.scan(u, delta, -torch.exp(self.A_logs), B, C, self.Ds, self.dt_projs_bias.flatten())
        y = y.view(batch, 4, dim, -1)
        y = y[:, :2] + y[:, 2:].flip(-1)
        columns = y[:, 1].view(batch, dim, width, height).transpose(2, 3)
        y = y[:, 0].view(batch, dim, height, width) + columns
        if self.smoothing is not None:
            y = smooth(y, self.smoothing)
        return self.out_proj(self.out_norm(y))


class ChannelNorm(nn.LayerNorm):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Linear1x1(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return functional.conv2d(input, self.weight[:, :, None, None], self.bias)


def smooth(x: Tensor, config: SmoothingConfig) -> Tensor:
    """Convolve the merged scan with a square Gaussian kernel, zeros beyond the border."""
    assert (config.hook, config.padding) == ("scan_output", "zeros"), (
        "only the default smoothing is written here"
    )
    distance = torch.arange(config.kernel_size, device=x.device) - config.kernel_size // 2
    taps = torch.exp(-(distance**2) / (2 * config.sigma**2))
    kernel = torch.outer(taps, taps) / taps.sum() ** 2
    kernel = kernel.to(x.dtype).expand(x.shape[1], 1, -1, -1)
    return functional.conv2d(x, kernel, padding=config.kernel_size // 2, groups=x.shape[1])


def plain_losses(
    model: PlainDASS,
    projector: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    mixes: Sequence[Mix],
    config: PatchMixConfig,
) -> dict[str, Tensor]:
    """Compute total, cross-entropy and the contrast of each axis, in the form `reference`."""
    assert config.form == "reference", "only the form `reference` is written here"
    logits, clean = model(inputs)
    losses = {"cross_entropy": functional.cross_entropy(logits.float(), labels)}
    candidates = functional.normalize(clean.detach().float(), dim=1)
    own = torch.arange(len(labels), device=labels.device)
    for mix in mixes:
        _, mixed = model(inputs, mix)
        anchors = functional.normalize(projector(mixed).float(), dim=1)
        similarity = anchors @ candidates.T / config.temperature
        partner = mix.permutation.to(labels.device)
        losses[mix.axis] = mix.lam * functional.cross_entropy(similarity, own)
        losses[mix.axis] += (1 - mix.lam) * functional.cross_entropy(similarity, partner)
    return {"total": torch.stack(list(losses.values())).sum(), **losses}


def plain_step(
    modules: nn.Module,
    optimiser: torch.optim.Optimizer,
    losses: Callable[[], dict[str, Tensor]],
    blend: float,
    autocast: AbstractContextManager[Any],
    scaler: GradScaler,
) -> None:
    """Take one step of the optimiser, then blend weights and buffers with those before the step."""
    before = copy.deepcopy(modules.state_dict())
    optimiser.zero_grad()
    with autocast:
        total = losses()["total"]
    scaler.scale(total).backward()
    scaler.step(optimiser)
    scaler.update()
    after = modules.state_dict()
    blended = {
        name: blend * before[name] + (1 - blend) * value if value.is_floating_point() else value
        for name, value in after.items()
    }
    modules.load_state_dict(blended)
