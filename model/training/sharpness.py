"""How much the validation loss rises at the worst nearby weights: the sharpness that SAM means to lower, measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from data.batches import Examples
from model.backbone import Backbone
from model.training.inputs import inputs_of
from model.training.recipe import Recipe


def validation_sharpness(
    network: nn.Module | Backbone,
    examples: Examples,
    recipe: Recipe,
    device: torch.device,
    *,
    chunks: int = 1,
) -> float | None:
    """Measure the sharpness of a network, which answers (`eval()`), on cycles as they are, in nats; None if not finite.

    The loss is the mean cross-entropy over all cycles, every cycle alike and without smoothing or adjustment, in single
    precision whatever `recipe.precision` is, at the radius `recipe.sharpness_rho`. All weights that are trained take
    part; no chance does. The weights are to the bit what they were, and so are their gradients. `chunks`: into how many
    parts a batch is divided, for a device that cannot hold it whole. Of examples that are embedded the network is given
    the features: it is a head. Raises ValueError for a network that is training.
    """
    assert isinstance(network, nn.Module)
    if network.training:
        raise ValueError(
            "the network is training, where its loss depends on chance and batch; call eval() before"
        )
    size = max(1, recipe.batch_size // chunks)

    def losses() -> Iterator[Tensor]:
        for features, labels in examples.to(device).batches(torch.arange(len(examples)).split(size)):
            inputs = inputs_of(examples, features, recipe)
            logits = network(inputs).float()
            yield functional.cross_entropy(logits, labels.to(device), reduction="sum") / len(examples)

    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    with _without_cudnn_for_recurrent_layers(network):
        rise = sharpness(losses, trained, recipe.sharpness_rho)
    return rise if math.isfinite(rise) else None


def sharpness(losses: Callable[[], Iterable[Tensor]], parameters: Sequence[Tensor], rho: float) -> float:
    """Measure how much a loss rises by one step of length `rho` along its gradient, in the norm of all parameters.

        L(w + rho g / |g|) - L(w),  g = the gradient of L at w

    This is SAM's own approximation of the largest rise within a ball: exact for a loss that is linear within it, and
    no more than the largest rise for any. It may be below 0 where the loss bends down. `losses` computes summands of
    the loss at the weights that are there, one at a time, so that one graph is in memory at once. The parameters are to
    the bit what they were afterwards.

    Reference: Foret et al., section 2 and equation 2, https://arxiv.org/abs/2010.01412
    """
    before, gradients = 0.0, [torch.zeros_like(parameter) for parameter in parameters]
    with torch.enable_grad():
        for loss in losses():
            before += loss.item()
            # A parameter that has no part in the loss stays where it is.
            for total, gradient in zip(
                gradients, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True
            ):
                if gradient is not None:
                    total += gradient
        norm = nn.utils.get_total_norm(gradients)
        weights = [parameter.detach().clone() for parameter in parameters]
        try:
            with torch.no_grad():
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter.add_(gradient * (rho / (norm + 1e-12)))
            # With a graph, though nobody asks it: without one some layers compute otherwise, and round otherwise.
            after = sum(loss.item() for loss in losses())
        finally:
            with torch.no_grad():
                for parameter, weight in zip(parameters, weights, strict=True):
                    parameter.copy_(weight)
    return after - before


@contextmanager
def _without_cudnn_for_recurrent_layers(network: nn.Module) -> Iterator[None]:
    """Let a network with recurrent layers do without cuDNN, on which they have no gradient while they do not train."""
    enabled = torch.backends.cudnn.enabled
    recurrent = any(isinstance(module, nn.RNNBase) for module in network.modules())
    torch.backends.cudnn.enabled = enabled and not recurrent
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = enabled
