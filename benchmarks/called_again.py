"""A stand-in for a CUDA graph, on a CPU: what a captured step does is done again by calling it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from model.training.step import Losses


class CalledAgain:
    """Calls the captured function for a replay, and writes what comes out into the memory of the first results."""

    def __init__(self) -> None:
        self.replays = 0

    def __call__(self, function: Callable[[], Any], device: torch.device) -> tuple[Any, Callable[[], None]]:
        for _ in range(3):
            function()
        results = function()

        def replay() -> None:
            self.replays += 1
            for place, value in zip(_tensors(results), _tensors(function()), strict=True):
                place.copy_(value)

        return results, replay


def _tensors(results: tuple[Losses, list[Tensor | None]]) -> list[Tensor]:
    losses, gradients = results
    return [
        losses.total,
        losses.cross_entropy,
        *losses.terms.values(),
        *(one for one in gradients if one is not None),
    ]
