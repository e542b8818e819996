"""Attention whose scores know how far apart two tokens are, by a bias that each query gates for itself, as in BEATs."""

from __future__ import annotations

import functools
import math

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

GATE_UNITS = 4
"""Outputs of the gate's linear layer that are summed into each of its two numbers."""


class GatedRelativeAttention(nn.Module):
    """Self-attention with a bias for each distance between tokens, scaled by a gate that depends on the query.

        scores_ij = q_i k_j / sqrt(head_dim) + g_i b(j - i)
        g_i = sigmoid(r_i) (sigmoid(s_i) a - 1) + 2

    b is a table with a number for each head and bucket of distances; r_i and s_i are linear in q_i, and a is learned for
    each head. One table serves all layers of a network: `relative_attention_bias` of the first of them, which `buckets`
    asks for. The network looks the biases up and hands them to each layer. Attribute names are those of the published
    weights.

    Reference: Chi et al., "XLM-E", https://arxiv.org/abs/2106.16138, as in WavLM (arXiv 2110.13900) and BEATs (arXiv
    2212.09058)
    """

    def __init__(self, dim: int, heads: int, buckets: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.q_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim)
        self.relative_attention_bias = None if buckets is None else nn.Embedding(buckets, heads)
        self.grep_linear = nn.Linear(dim // heads, 2 * GATE_UNITS)
        self.grep_a = nn.Parameter(torch.ones(1, heads, 1, 1))

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], bias: Float[Tensor, "heads tokens tokens"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Let each token attend to all, with `bias` (query, key) of each head before its gate."""
        q, k, v = (self._heads(project(x)) for project in (self.q_proj, self.k_proj, self.v_proj))
        gated = (self.gate(q) * bias).to(q.dtype)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=gated)
        return self.out_proj(rearrange(mixed, "batch heads tokens width -> batch tokens (heads width)"))

    def attention(
        self, x: Float[Tensor, "batch tokens dim"], bias: Float[Tensor, "heads tokens tokens"]
    ) -> Float[Tensor, "batch tokens tokens"]:
        """Compute how much each token (row) attends to each (column), mean over the heads; rows sum to 1."""
        q, k = self._heads(self.q_proj(x)), self._heads(self.k_proj(x))
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1]) + self.gate(q) * bias
        return scores.softmax(dim=-1).mean(dim=1)

    def gate(self, q: Float[Tensor, "batch heads tokens width"]) -> Float[Tensor, "batch heads tokens 1"]:
        """Compute what each query multiplies its biases by: 1 to 2 while a is 1, as it is at first."""
        units = rearrange(
            self.grep_linear(q), "batch heads tokens (two units) -> two batch heads tokens units", two=2
        )
        update, reset = units.sum(dim=-1, keepdim=True).sigmoid()
        return update * (reset * self.grep_a - 1) + 2

    def _heads(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch heads tokens width"]:
        return rearrange(x, "batch tokens (heads width) -> batch heads tokens width", heads=self.heads)


@functools.lru_cache(maxsize=8)
def relative_buckets(
    tokens: int, buckets: int, max_distance: int, device: torch.device
) -> Int[Tensor, "tokens tokens"]:
    """Sort the distance from each query (row) to each key (column) of a sequence into one of `buckets`.

    Half of the buckets are for keys behind their query. Of either half, the first half holds one distance each; the
    rest are as wide as a logarithm makes them up to `max_distance`, and the last holds all that is farther.

    Reference: Raffel et al., "T5", section 2.1, https://arxiv.org/abs/1910.10683
    """
    places = torch.arange(tokens)
    signed = places[None, :] - places[:, None]
    half = buckets // 2
    exact = half // 2
    distance = signed.abs()
    # In float32 and in this order: a logarithm rounded otherwise puts some distance into the next bucket.
    far = torch.log(distance.clamp(min=1).float() / exact) / math.log(max_distance / exact) * (half - exact)
    within = torch.where(distance < exact, distance, (exact + far.long()).clamp(max=half - 1))
    return (within + half * (signed > 0)).to(device)
