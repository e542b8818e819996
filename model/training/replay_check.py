"""Whether a replayed step came to what the plain step came to, within what two plain steps differ by."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from model.training.step import Losses

NOISE, RELATIVE, OVERALL = 10.0, 1e-3, 1e-6
"""How far a replayed tensor may be off: so many times what two plain passes differ by, and shares of its norm and of the
norm of all tensors of its kind."""


@dataclass
class Standing:
    """Where generators and running statistics stand."""

    draws: list[Tensor]
    statistics: list[Tensor]


@dataclass
class Outcome:
    """What a pass over a batch came to."""

    losses: Losses
    gradients: list[Tensor | None]
    standing: Standing

    def is_finite(self) -> bool:
        found = [*self.losses.named.values(), *(one for one in self.gradients if one is not None)]
        return bool(torch.stack([one.isfinite().all() for one in found]).all())


def fault_of(
    weights: list[str], statistics: list[str], plain: Outcome, again: Outcome, replayed: Outcome
) -> str | None:
    """Name what a replay has most beyond the bounds of `StepGraph`; None where it agrees with the plain step."""
    if any(
        not torch.equal(*pair) for pair in zip(plain.standing.draws, replayed.standing.draws, strict=True)
    ):
        return "it draws another count of random numbers"
    passes = (plain, again, replayed)
    losses = [one.losses.named for one in passes]
    with_gradients = [[one is not None for one in each.gradients] for each in passes]
    if losses[0].keys() != losses[2].keys() or with_gradients[0] != with_gradients[2]:
        return "it has other losses, or gradients of other weights"
    gradients = [[one for one in each.gradients if one is not None] for each in passes]
    of_weights = [name for name, there in zip(weights, with_gradients[0], strict=True) if there]
    groups = [
        ([f"loss {name}" for name in losses[0]], [list(each.values()) for each in losses]),
        ([f"gradient of {name}" for name in of_weights], gradients),
        (statistics, [each.standing.statistics for each in passes]),
    ]
    worst = max(
        (_furthest(names, *tensors) for names, tensors in groups if names),
        default=None,
        key=lambda found: found[0],
    )
    return worst[1] if worst is not None and worst[0] > 1 else None


def _furthest(
    names: list[str], plain: list[Tensor], again: list[Tensor], replayed: list[Tensor]
) -> tuple[float, str]:
    """Find the tensor with the largest difference for its bound: how many times the bound that is, and in words."""
    norms = torch.stack(
        [
            torch.stack([_norm(one), _norm(one, other), _norm(one, third)])
            for one, other, third in zip(plain, again, replayed, strict=True)
        ]
    ).cpu()
    size, noise, off = norms.unbind(dim=1)
    bounds = NOISE * noise + RELATIVE * size + OVERALL * size.norm()
    # Zero of zero is well, and what is not finite is beyond any bound.
    times = torch.where(off == 0, 0.0, off / bounds).nan_to_num(nan=torch.inf, posinf=torch.inf)
    row = int(times.argmax())
    return float(times[row]), (
        f"{names[row]} of norm {float(size[row]):.3g} is off by {float(off[row]):.3g}, where two plain passes differ by "
        f"{float(noise[row]):.3g} and {float(bounds[row]):.3g} is allowed"
    )


def _norm(one: Tensor, other: Tensor | None = None) -> Tensor:
    """Compute the norm of a tensor, or of the difference of two, in double precision."""
    found = one.double() if other is None else one.double() - other.double()
    return torch.linalg.vector_norm(found)
