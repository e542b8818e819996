"""Checks that the plain step of the benchmark computes the losses and gradients of ours."""

from __future__ import annotations

import torch
from step_setups import Ours, Plain, Setup
from torch import Tensor, nn

MOST_LOSS, MOST_GRADIENT = 1e-4, 2e-3


def check_same_maths(device: str, frames: int = 32) -> str:
    """Compare both steps; returns in words the largest difference of a loss, and of a gradient as a share of its norm.

    In fp32 and without drop path, which draws at random. Raises AssertionError when they differ.
    """
    setup = Setup("small", 4, frames, device, drop_path_rate=0.0)
    tf32 = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        ours, plain = Ours(setup), Plain(setup)
        for network in (ours, plain):
            # Fresh weights make all features alike, and then no loss tells one pairing from another.
            with torch.no_grad():
                for name, weight in network.modules.named_parameters():
                    if weight.ndim > 1 and "A_logs" not in name:
                        weight.mul_(3)
        found = ours.losses()
        expected = plain.losses()
        found.total.backward()
        expected["total"].backward()
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
    losses = {
        "total": found.total,
        "cross_entropy": found.cross_entropy,
        **{name.removeprefix("contrast_"): loss for name, loss in found.terms.items()},
    }
    off = {name: abs(float(losses[name].detach() - value.detach())) for name, value in expected.items()}
    assert max(off.values()) < MOST_LOSS, f"the losses of the plain step differ by {off}"
    gradients = _gradients(ours.modules)
    wanted = _gradients(plain.modules)
    # Some are zero but for rounding: of a bias before the batch norm, say.
    least = 1e-3 * max(float(gradient.norm()) for gradient in wanted.values())
    shares = {
        name: float((gradients[name] - gradient).norm() / gradient.norm().clamp(min=least))
        for name, gradient in wanted.items()
    }
    worst = max(shares, key=lambda name: shares[name])
    assert shares[worst] < MOST_GRADIENT, f"the gradient of {worst} is off by {shares[worst]:.1e} of its norm"
    return f"losses within {max(off.values()):.0e}, every gradient within {shares[worst]:.0e} of its norm"


def _gradients(modules: nn.Module) -> dict[str, Tensor]:
    return {name: weight.grad for name, weight in modules.named_parameters() if weight.grad is not None}
