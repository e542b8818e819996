"""Patch-Mix along time, frequency or single cells, and the contrastive losses that go with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from scipy.special import betaincinv
from torch import Tensor, nn
from torch.nn import functional

from data.placement import send
from model.recipe_parts import Axis, Form, Negatives, PatchMixConfig, Reduction


@dataclass(frozen=True, eq=False)
class Mix:
    """Which cells each sample takes from which partner. Calling a mix on a stem grid returns the mixed copy.

    `share` is `lam` as a float64 on the device, for a step that is captured once and replayed with other numbers; None
    elsewhere.
    """

    axis: Axis
    permutation: Int[Tensor, " batch"]
    replaced: Bool[Tensor, "height width"]
    share: Float[Tensor, ""] | None = None

    @property
    def lam(self) -> float:
        """Share of its own cells that a sample keeps: counted, since whole cells move."""
        return 1 - int(self.replaced.sum()) / self.replaced.numel()

    def __call__(
        self, grid: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Return a new grid in which sample i has the replaced cells of sample permutation[i]."""
        partners = grid[send(self.permutation, grid.device)]
        return torch.where(send(self.replaced, grid.device), partners, grid)


def draw_mix(axis: Axis, grid: tuple[int, int], batch: int, beta: float, generator: torch.Generator) -> Mix:
    """Draw a random mix for a batch of stem grids of (height = frequency, width = time) cells.

    The permutation, the share kept and the place are drawn once for the whole batch, from a CPU generator.
    """
    lam = draw_share(beta, generator) if beta > 0 else 1.0
    permutation = torch.randperm(batch, generator=generator)
    height, width = grid
    if axis == "cells":
        replaced = torch.zeros(height * width, dtype=torch.bool)
        replaced[
            torch.randperm(height * width, generator=generator)[: replaced_count(height * width, lam)]
        ] = True
        return Mix(axis, permutation, replaced.reshape(height, width))
    length = width if axis == "time" else height
    size = replaced_count(length, lam)
    start = int(torch.randint(length - size + 1, (), generator=generator))
    return Mix(axis, permutation, segment(axis, grid, start, size))


def draw_share(beta: float, generator: torch.Generator) -> float:
    """Draw from Beta(beta, beta) by inverting its distribution, so from one uniform number whatever `beta` is."""
    uniform = torch.rand((), generator=generator, dtype=torch.float64).item()
    share = float(betaincinv(beta, beta, uniform))
    # Near zero, where scipy has no answer, the share is nothing or everything, each half of the time.
    return float(round(uniform)) if math.isnan(share) else share


def replaced_count(length: int, lam: float) -> int:
    """How many of `length` columns, rows or cells are replaced when a share of `lam` is to be kept."""
    return math.floor(length * (1 - lam))


def segment(
    axis: Literal["time", "frequency"], grid: tuple[int, int], start: int, size: int
) -> Bool[Tensor, "height width"]:
    """Mark the cells of `size` whole columns (time) or rows (frequency) from `start` on."""
    replaced = torch.zeros(grid, dtype=torch.bool)
    replaced.narrow(1 if axis == "time" else 0, start, size).fill_(True)
    return replaced


def contrastive_losses(
    config: PatchMixConfig,
    clean: Float[Tensor, "batch dim"],
    passes: Sequence[tuple[Mix, Float[Tensor, "batch dim"]]],
    projector: nn.Module,
    labels: Int[Tensor, " batch"] | None = None,
) -> dict[Axis, Float[Tensor, ""]]:
    """Compute the loss of each mixed pass, not yet weighted, from pooled features of the clean and the mixed passes.

    `reference` trains the backbone through the mixed features: these are projected, while the clean ones are fixed
    targets and not projected. The forms of the paper train the backbone through the clean features: both are
    projected, and the mixed ones are cut off from the backbone. The projector sees one pass at a time, the clean
    one first.
    """
    if config.form == "reference":
        target = clean.detach()
        pairs = [(mix, target, projector(mixed)) for mix, mixed in passes]
    else:
        projected = projector(clean) if passes else clean
        pairs = [(mix, projected, projector(mixed.detach())) for mix, mixed in passes]
    return {
        mix.axis: patch_mix_loss(
            own,
            mixed,
            send(mix.permutation, own.device),
            mix.lam if mix.share is None else mix.share,
            temperature=config.temperature,
            form=config.form,
            reduction=config.reduction,
            negatives=config.negatives,
            labels=labels,
        )
        for mix, own, mixed in pairs
    }


def patch_mix_loss(
    clean: Float[Tensor, "batch dim"],
    mixed: Float[Tensor, "batch dim"],
    permutation: Int[Tensor, " batch"],
    lam: float | Float[Tensor, ""],
    *,
    temperature: float,
    form: Form = "reference",
    reduction: Reduction = "mean",
    negatives: Negatives = "all",
    labels: Int[Tensor, " batch"] | None = None,
) -> Float[Tensor, ""]:
    """Cross-entropy of each anchor with its two positives among the batch, on cosine similarities.

        p_ij = softmax over j of cos(anchor_i, candidate_j) / temperature
        reference:      anchor mixed, candidates clean;  -( lam log p_ii + (1 - lam) log p_i,pi(i) )
        paper:          anchor clean, candidates mixed;  -log( lam p_ii + (1 - lam) p_i,pi(i) )
        paper_inverse:  anchor clean, candidates mixed;  -log( lam p_ii + (1 - lam) p_i,pi^-1(i) )

    `paper` is equation 9 to the letter. The mixed sample that holds a part of clean sample i is pi^-1(i), so
    `paper` pairs the wrong samples unless pi is its own inverse; `paper_inverse` pairs the right ones.
    With `different_label` the softmax runs over the positives and the candidates of another label alone.
    A low temperature magnifies rounding: pass float32 or better, outside autocast. `lam` may be a float64 on the device,
    which gives the number that a float of that value gives.

    Reference: Lung-SRAD, https://arxiv.org/abs/2606.11922; Patch-Mix, https://arxiv.org/abs/2305.14032
    """
    if negatives == "different_label" and labels is None:
        raise ValueError("negatives: different_label needs the labels of the batch")
    partner = torch.argsort(permutation) if form == "paper_inverse" else permutation
    anchor, candidates = (mixed, clean) if form == "reference" else (clean, mixed)
    similarity = functional.normalize(anchor, dim=1) @ functional.normalize(candidates, dim=1).T / temperature
    own = torch.arange(len(anchor), device=anchor.device)
    if negatives == "different_label" and labels is not None:
        kept = labels[:, None] != labels[None, :]
        kept[own, own] = True
        kept[own, partner] = True
        similarity = similarity.masked_fill(~kept, -math.inf)
    log_p = similarity.log_softmax(dim=1)
    log_own, log_partner = log_p[own, own], log_p[own, partner]
    if form == "reference":
        loss = -(lam * log_own + (1 - lam) * log_partner)
    else:
        loss = -torch.logaddexp(log_own + _log(lam), log_partner + _log(1 - lam))
    return loss.mean() if reduction == "mean" else loss.sum()


def _log(share: float | Tensor) -> float | Tensor:
    if isinstance(share, Tensor):
        return share.log()
    return math.log(share) if share > 0 else -math.inf
