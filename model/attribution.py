"""Which cells of a spectrogram a network's answer rests on: Grad-CAM, integrated gradients, attention rollout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from data.settings import ConfigError
from model.ast import AST
from model.beats import BEATs
from model.cnn_tsa import CNNTSA
from model.dass import DASS
from model.frozen import encoder_of
from model.variants import BEATS_PATCH

Method = Literal["grad_cam", "integrated_gradients", "attention_rollout"]
STEPS = 32
"""Points between baseline and input at which integrated gradients are taken."""
METHODS: dict[Method, tuple[type[nn.Module], ...]] = {
    "grad_cam": (CNNTSA,),
    "integrated_gradients": (nn.Module,),
    "attention_rollout": (AST, BEATs),
}
"""What each method asks of a network."""


def default_method(network: nn.Module) -> Method:
    """Choose Grad-CAM for a network of convolutions, whose last maps have places, and else integrated gradients."""
    return "grad_cam" if isinstance(encoder_of(network), CNNTSA) else "integrated_gradients"


def attribution(
    network: nn.Module,
    inputs: Float[Tensor, "batch frames mels"],
    classes: Int[Tensor, " batch"],
    method: Method,
    baseline: Float[Tensor, "batch frames mels"] | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Float[Tensor, "batch frames mels"]:
    """Say how much each cell of each input has to do with the logit of a class, by one of the methods; 0 or more.

    Signs of integrated gradients are left out. `baseline`: from what these start (`integrated_gradients`). `progress`
    is told before each step of theirs which share of the work is done; other methods take one pass, and tell nothing.
    Raises ConfigError for a network that the method is not for, and ValueError for one that is training.
    """
    check_method(network, method)
    encoder = encoder_of(network)
    if method == "grad_cam":
        return grad_cam(network, inputs, classes)
    if isinstance(encoder, AST | BEATs) and method == "attention_rollout":
        return attention_rollout(encoder, inputs)
    return integrated_gradients(network, inputs, classes, baseline, progress=progress).abs()


def check_method(network: nn.Module, method: Method) -> None:
    """Raise ConfigError for a network that the method is not for."""
    if not isinstance(encoder := encoder_of(network), METHODS[method]):
        raise ConfigError(
            f"method: {method} is for {' and '.join(map(_named, METHODS[method]))}, got {_named(type(encoder))}; use "
            "integrated_gradients"
        )


def _named(kind: type[nn.Module]) -> str:
    """Name a kind of network as recipes do; one of the user's own by its class."""
    return {AST: "ast", BEATs: "beats", CNNTSA: "cnn_tsa", DASS: "dass"}.get(kind, kind.__name__)


def grad_cam(
    network: nn.Module, inputs: Float[Tensor, "batch frames mels"], classes: Int[Tensor, " batch"]
) -> Float[Tensor, "batch frames mels"]:
    """Weigh the last convolutional maps of a CNNTSA, or of one that is an encoder, by what a class's logit gains.

        alpha_m = mean over time and frequency of d logit_c / d A_m;   map = ReLU(sum over m of alpha_m A_m)

    A_m is map m of the last block, after its ReLU and before its pooling. The result is stretched to the input,
    bilinearly. Of 64 bands and four blocks it tells 8 apart. Raises ValueError for a network that is training.

    Reference: Selvaraju et al., "Grad-CAM", equations 1 and 2, https://arxiv.org/abs/1610.02391
    """
    _check_answers(network)
    encoder = encoder_of(network)
    assert isinstance(encoder, CNNTSA)
    seen: list[Tensor] = []
    hook = encoder.last_block.pool.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    try:
        with torch.enable_grad():
            # The input asks for gradients, so that maps have some where no weight does.
            logits = network(inputs.detach().requires_grad_())
            (gradients,) = torch.autograd.grad(_of_classes(logits, classes).sum(), seen[0])
    finally:
        hook.remove()
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    maps = functional.relu((weights * seen[0].detach()).sum(dim=1, keepdim=True))
    return functional.interpolate(maps, inputs.shape[1:], mode="bilinear", align_corners=False)[:, 0]


def integrated_gradients(
    network: nn.Module,
    inputs: Float[Tensor, "batch frames mels"],
    classes: Int[Tensor, " batch"],
    baseline: Float[Tensor, "batch frames mels"] | None = None,
    steps: int = STEPS,
    progress: Callable[[float], None] = lambda share: None,
) -> Float[Tensor, "batch frames mels"]:
    """Share out among the cells of each input what the logit of a class gains on the way from a baseline to it.

        (x - x') * mean over steps k of d logit_c(x' + (k - 1/2) / steps * (x - x')) / d x

    The cells' shares add up to logit_c(x) - logit_c(x'), but for the error of the sum over steps. `baseline`, x': by
    default each input's own mean in all its cells. `progress` is told before each step which share of them is done.
    Raises ValueError for a network that is training.

    Reference: Sundararajan et al., "Axiomatic attribution for deep networks", equation 3,
    https://arxiv.org/abs/1703.01365, with points in the middle of each step
    """
    _check_answers(network)
    inputs = inputs.detach()
    start = inputs.mean(dim=(1, 2), keepdim=True).expand_as(inputs) if baseline is None else baseline
    total = torch.zeros_like(inputs)
    for step in range(steps):
        progress(step / steps)
        point = torch.lerp(start, inputs, (step + 0.5) / steps).requires_grad_()
        with torch.enable_grad():
            (gradients,) = torch.autograd.grad(_of_classes(network(point), classes).sum(), point)
        total += gradients
    return (inputs - start) * total / steps


def attention_rollout(
    network: AST | BEATs, inputs: Float[Tensor, "batch frames mels"]
) -> Float[Tensor, "batch frames mels"]:
    """Follow attention from what is pooled back to the patches: of an AST its two special tokens, of a BEATs all tokens.

    It is stretched to the input, bilinearly, and 0 where a BEATs cuts off what fills no patch. The residuals of a BEATs
    weigh more than its attention, which rollout, with equal parts of both, does not know. It knows no class: it says
    what was looked at, and not for what. Raises ValueError for a network that is training.

    Reference: Abnar & Zuidema, "Quantifying attention flow in transformers", section 3, https://arxiv.org/abs/2005.00928
    """
    _check_answers(network)
    with torch.no_grad():
        grid = network.stem(inputs)
        flow = rollout(network.attentions(grid))
    height, width = grid.shape[2:]
    frames, mels = inputs.shape[1:]
    if isinstance(network, AST):
        seen = frames, mels
        patches = rearrange(flow[:, :2, 2:].mean(dim=1), "batch (f t) -> batch 1 t f", f=height)
    else:
        seen = width * BEATS_PATCH, height * BEATS_PATCH
        patches = rearrange(flow.mean(dim=1), "batch (t f) -> batch 1 t f", f=height)
    stretched = functional.interpolate(patches, seen, mode="bilinear", align_corners=False)[:, 0]
    return functional.pad(stretched, (0, mels - seen[1], 0, frames - seen[0]))


def rollout(
    attentions: Sequence[Float[Tensor, "batch tokens tokens"]],
) -> Float[Tensor, "batch tokens tokens"]:
    """Multiply the attention of all layers, first layer rightmost, each averaged with the identity for its residual."""
    flow = torch.eye(attentions[0].shape[-1], device=attentions[0].device)
    for attention in attentions:
        flow = (attention + torch.eye(attention.shape[-1], device=attention.device)) / 2 @ flow
    return flow


def band_vectors(maps: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "some mels"]:
    """Mean of each map over time, scaled to sum 1; maps that are 0 everywhere are left out."""
    bands = maps.mean(dim=1)
    sums = bands.sum(dim=1, keepdim=True)
    return (bands / sums)[sums[:, 0] > 0]


def _of_classes(
    logits: Float[Tensor, "batch classes"], classes: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    return logits.gather(1, classes[:, None])[:, 0]


def _check_answers(network: nn.Module) -> None:
    if network.training:
        raise ValueError(
            "the network is training, where its answers depend on chance and batch; call eval() before"
        )
