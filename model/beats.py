"""BEATs, the audio transformer of acoustic tokenizers: patches of a log-mel, gated relative positions, deep norm."""

from __future__ import annotations

import math

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from model.relative_positions import GatedRelativeAttention, relative_buckets
from model.variants import BEATS_PATCH, BEATsSize


class BEATs(nn.Module):
    """Transformer over patches of 16 x 16 cells that do not overlap, with neither a class token nor a position table.

    Positions are known by a wide convolution over the sequence of patches, which runs along frequency within each step
    of time, and by a bias for each distance in that sequence. Frames and bands that fill no whole patch are cut off, as
    in the published network. Features are the mean of all output tokens; `dropout` is the share of them that training
    drops right before the linear classifier. Published fine-tuning classifies each token and takes the mean of that,
    which without dropout is the same.

    Attribute names are the keys of the published weights. Dropout within the encoder and the dropping of whole layers,
    which pre-training has, are left out.

    Reference: Chen et al., https://arxiv.org/abs/2212.09058
    """

    def __init__(self, size: BEATsSize, num_classes: int = 4, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.size = size
        self.feature_dim = size.dim
        self.patch_embedding = nn.Conv2d(1, size.embed_dim, BEATS_PATCH, BEATS_PATCH, bias=False)
        self.layer_norm = nn.LayerNorm(size.embed_dim)
        self.post_extract_proj = nn.Linear(size.embed_dim, size.dim)
        self.encoder = Encoder(size)
        self.predictor = nn.Linear(size.dim, num_classes)
        self.dropout = nn.Dropout(dropout)

    @property
    def stem_layers(self) -> nn.Module:
        """What `stem` runs."""
        return self.patch_embedding

    def forward(self, x: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch classes"]:
        """Compute logits of normalised log-mels."""
        return self.classify(self.forward_grid(self.stem(x)))

    def stem(self, x: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch embed_dim height width"]:
        """Embed patches, on which samples are mixed. Raises ValueError when none fits."""
        self.grid(*x.shape[1:])
        patches = self.patch_embedding(rearrange(x, "batch frames mels -> batch 1 frames mels"))
        return rearrange(patches, "batch dim t f -> batch dim f t")

    def forward_grid(self, grid: Float[Tensor, "batch embed_dim height width"]) -> Float[Tensor, "batch dim"]:
        """Run the encoder; returns the mean of its output tokens."""
        return self.tokens(grid).mean(dim=1)

    def classify(self, features: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch classes"]:
        """Compute logits of pooled features."""
        return self.predictor(self.dropout(features))

    def tokens(
        self, grid: Float[Tensor, "batch embed_dim height width"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Run the encoder; returns the tokens of the patches, time-major: all bands of a step, then the next step."""
        return self.encoder(self._sequence(grid))

    def attentions(
        self, grid: Float[Tensor, "batch embed_dim height width"]
    ) -> list[Float[Tensor, "batch tokens tokens"]]:
        """Compute how much each token (row) attends to each (column), mean over the heads, for every layer in order."""
        return self.encoder.attentions(self._sequence(grid))

    def grid(self, frames: int, mels: int) -> tuple[int, int]:
        """Count the patches of a log-mel along frequency and along time. Raises ValueError when none fits."""
        if min(frames, mels) < BEATS_PATCH:
            raise ValueError(
                f"beats needs at least {BEATS_PATCH} frames and {BEATS_PATCH} mel bands, got {frames} x {mels}"
            )
        return mels // BEATS_PATCH, frames // BEATS_PATCH

    def _sequence(
        self, grid: Float[Tensor, "batch embed_dim height width"]
    ) -> Float[Tensor, "batch tokens dim"]:
        return self.post_extract_proj(self.layer_norm(rearrange(grid, "batch dim f t -> batch (t f) dim")))


class Encoder(nn.Module):
    """Positions by convolution, a layer norm, and layers that share the table of relative positions of the first."""

    def __init__(self, size: BEATsSize) -> None:
        super().__init__()
        self.num_buckets, self.max_distance = size.num_buckets, size.max_distance
        self.pos_conv = nn.Sequential(
            PositionConvolution(size.dim, size.conv_pos, size.conv_pos_groups), nn.GELU()
        )
        self.layers = nn.ModuleList(EncoderLayer(size, first=number == 0) for number in range(size.depth))
        self.layer_norm = nn.LayerNorm(size.dim)

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Run all layers."""
        x, bias = self._placed(x), self.position_bias(x.shape[1])
        for layer in self.layers:
            x = layer(x, bias)
        return x

    def attentions(self, x: Float[Tensor, "batch tokens dim"]) -> list[Float[Tensor, "batch tokens tokens"]]:
        """Compute the attention of each layer, mean over the heads, in order."""
        x, bias, found = self._placed(x), self.position_bias(x.shape[1]), []
        for layer in self.layers:
            assert isinstance(layer, EncoderLayer)
            found.append(layer.self_attn.attention(x, bias))
            x = layer(x, bias)
        return found

    def position_bias(self, tokens: int) -> Float[Tensor, "heads tokens tokens"]:
        """Look up the bias of each head for each query (row) and key (column) of a sequence."""
        first = self.layers[0]
        assert isinstance(first, EncoderLayer)
        table = first.self_attn.relative_attention_bias
        assert table is not None
        buckets = relative_buckets(tokens, self.num_buckets, self.max_distance, table.weight.device)
        return rearrange(table(buckets), "query key heads -> heads query key")

    def _placed(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        positions = self.pos_conv(rearrange(x, "batch tokens dim -> batch dim tokens"))
        return self.layer_norm(x + rearrange(positions, "batch dim tokens -> batch tokens dim"))


class EncoderLayer(nn.Module):
    """Attention and a perceptron, each with its layer norm behind the sum, in which the residual counts alpha times.

        x = norm(alpha x + f(x)),  alpha = (2 depth)^(1/4)

    The weights of values, output and perceptron begin (8 depth)^(-1/4) times as large as Xavier's.

    Reference: Wang et al., "DeepNet", figure 2 (encoder only), https://arxiv.org/abs/2203.00555
    """

    def __init__(self, size: BEATsSize, *, first: bool) -> None:
        super().__init__()
        self.alpha = (2 * size.depth) ** 0.25
        self.self_attn = GatedRelativeAttention(size.dim, size.heads, size.num_buckets if first else None)
        self.self_attn_layer_norm = nn.LayerNorm(size.dim)
        self.fc1 = nn.Linear(size.dim, size.mlp_dim)
        self.fc2 = nn.Linear(size.mlp_dim, size.dim)
        self.final_layer_norm = nn.LayerNorm(size.dim)
        beta = (8 * size.depth) ** -0.25
        for name, module in self.named_modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
                if name.endswith("grep_linear"):
                    nn.init.normal_(module.weight, std=0.02)
                else:
                    nn.init.xavier_normal_(
                        module.weight, 1.0 if name.endswith(("q_proj", "k_proj")) else beta
                    )

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], bias: Float[Tensor, "heads tokens tokens"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Run the layer on tokens, with the bias of each head for each query and key."""
        x = self.self_attn_layer_norm(self.alpha * x + self.self_attn(x, bias))
        return self.final_layer_norm(self.alpha * x + self.fc2(functional.gelu(self.fc1(x))))


class PositionConvolution(nn.Module):
    """Grouped convolution over a sequence, its weight kept as a direction and a length for each tap of the kernel.

        weight[:, :, k] = weight_g[k] weight_v[:, :, k] / |weight_v[:, :, k]|

    The output is as long as the input: with an even kernel a token sees one neighbour more before it than behind.

    Reference: Baevski et al., "wav2vec 2.0", section 2, https://arxiv.org/abs/2006.11477; Salimans & Kingma, "Weight
    normalization", https://arxiv.org/abs/1602.07868
    """

    def __init__(self, dim: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight_v = nn.Parameter(torch.empty(dim, dim // groups, kernel))
        nn.init.normal_(self.weight_v, std=math.sqrt(4 / (kernel * dim)))
        self.weight_g = nn.Parameter(self._lengths().detach())
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Float[Tensor, "batch dim tokens"]) -> Float[Tensor, "batch dim tokens"]:
        """Convolve, and cut off the one output that an even kernel makes too many."""
        weight = self.weight_g * self.weight_v / self._lengths()
        padding = weight.shape[2] // 2
        return functional.conv1d(x, weight, self.bias, padding=padding, groups=self.groups)[..., : x.shape[2]]

    def _lengths(self) -> Float[Tensor, "1 1 kernel"]:
        return reduce(self.weight_v.square(), "out within kernel -> 1 1 kernel", "sum").sqrt()
