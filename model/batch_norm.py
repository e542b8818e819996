"""Batch norm on channels-last maps, and what a training step must know of networks that hold any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class ChannelsLastBatchNorm(nn.BatchNorm2d):
    """Batch norm of each channel over batch, height and width: takes the place of a LayerNorm, with the same keys.

    Reference: Ioffe & Szegedy, "Batch Normalization", https://arxiv.org/abs/1502.03167
    """

    def forward(
        self, input: Float[Tensor, "batch height width dim"]
    ) -> Float[Tensor, "batch height width dim"]:
        return super().forward(input.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


@runtime_checkable
class HasModules(Protocol):
    """A network, as far as it is looked through here."""

    def modules(self) -> Iterator[nn.Module]: ...


def holds_batch_norm(network: HasModules, *, outside: nn.Module | None = None) -> bool:
    """Tell whether `network` has a batch norm of any kind, those within `outside` not counted."""
    passed_over = set() if outside is None else set(outside.modules())
    return any(isinstance(part, _BatchNorm) and part not in passed_over for part in network.modules())


@contextmanager
def keeping_running_statistics(network: HasModules) -> Iterator[None]:
    """Within it, batch norms in training normalise by the batch as ever, and leave their running statistics alone."""
    tracking = [
        part for part in network.modules() if isinstance(part, _BatchNorm) and part.track_running_stats
    ]
    for norm in tracking:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in tracking:
            norm.track_running_stats = True
