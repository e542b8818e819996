"""DASS: a hierarchical state-space network on log-mel spectrograms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from einops.layers.torch import Rearrange
from jaxtyping import Float
from torch import Tensor, nn

from data.settings import ConfigError
from model.batch_norm import ChannelsLastBatchNorm
from model.conv_block import ConvBlock
from model.pointwise import Pointwise
from model.recipe_parts import Pooling, SmoothingConfig
from model.variants import Stem
from model.vss_block import VSSBlock

STEM_STRIDE = 4

Norm = type[nn.LayerNorm] | type[ChannelsLastBatchNorm]


class DASS(nn.Module):
    """Stem, stages of `VSSBlock`s with halving between them, pooling and a linear head.

    Height is frequency, width is time; maps inside are (batch, height, width, channels). The drop-path rate
    rises linearly over the blocks to `drop_path_rate`. Attribute names are the keys of the published weights.

    The published network has stem `layer_norm` and `pooling` mean. From random weights a narrow one learns better with
    `conv_blocks` (`ConvStem`, which fits inputs of `mels` bands alone): strided convolutions drop what changes from
    cell to cell before anything non-linear has seen it, and a layer norm over a few channels takes away how loud each
    cell is. `batch_norm` cures the latter alone. `mean_max` adds the maximum over the last map's cells to their mean,
    for sounds that fill a small part of a cycle.

    Raises ConfigError when `smoothing` names a stage that this network lacks.

    Reference: Bhati et al., "DASS: Distilled Audio State Space Models", https://arxiv.org/abs/2407.04082
    """

    def __init__(
        self,
        depths: Sequence[int],
        dims: Sequence[int],
        num_classes: int = 4,
        drop_path_rate: float = 0.0,
        smoothing: SmoothingConfig | None = None,
        scan_engine: str = "auto",
        stem: Stem = "layer_norm",
        mels: int = 128,
        pooling: Pooling = "mean",
    ) -> None:
        super().__init__()
        if smoothing is not None and smoothing.stage is not None and smoothing.stage >= len(depths):
            raise ConfigError(
                f"smoothing.stage: this DASS has stages 0 to {len(depths) - 1}, got {smoothing.stage}"
            )
        if stem == "conv_blocks":
            self.patch_embed = ConvStem(dims[0], mels)
        else:
            norm = nn.LayerNorm if stem == "layer_norm" else ChannelsLastBatchNorm
            self.patch_embed = _strided_stem(dims[0], norm)
        rates = [drop_path_rate * i / max(1, sum(depths) - 1) for i in range(sum(depths))]
        self.layers = nn.ModuleList()
        for stage, (depth, dim) in enumerate(zip(depths, dims, strict=True)):
            blocks = []
            for block in range(depth):
                smoothed = smoothing is not None and smoothing.smooths(stage, block, depth)
                blocks.append(VSSBlock(dim, rates.pop(0), smoothing if smoothed else None, scan_engine))
            is_last = stage == len(depths) - 1
            self.layers.append(Stage(blocks, dim, None if is_last else dims[stage + 1]))
        self.classifier = Classifier(dims[-1], num_classes)
        self.depths = tuple(depths)
        self.pooling: Pooling = pooling
        self.apply(_draw_linear_weights)

    @property
    def feature_dim(self) -> int:
        """Width of the pooled features."""
        return self.classifier.head.in_features

    @property
    def stem_layers(self) -> nn.Module:
        """What `stem` runs."""
        return self.patch_embed

    @property
    def num_stages(self) -> int:
        """How many stages there are, each at half the resolution of the one before."""
        return len(self.depths)

    def grid(self, frames: int, mels: int) -> tuple[int, int]:
        """Count the (frequency, time) cells of the stem's output.

        Raises ValueError for an input below one cell, and for other mel bands than those of a `ConvStem`.
        """
        if min(frames, mels) < STEM_STRIDE:
            raise ValueError(
                f"DASS needs at least {STEM_STRIDE} frames and mel bins, got {frames} frames and {mels} bins"
            )
        if isinstance(self.patch_embed, ConvStem):
            return self.patch_embed.grid(frames, mels)
        return -(-mels // STEM_STRIDE), -(-frames // STEM_STRIDE)

    def forward(self, x: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch classes"]:
        """Compute logits of normalised log-mels."""
        return self.classify(self.forward_grid(self.stem(x)))

    def stem(self, x: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch channels height width"]:
        """Compute the grid on which samples are mixed. Raises ValueError as `grid` does."""
        self.grid(*x.shape[1:])
        x = x.transpose(1, 2).contiguous()[..., None]
        # Seen as channels-last, or the convolution answers channels-first and every norm copies.
        return self.patch_embed(x.permute(0, 3, 1, 2)).permute(0, 3, 1, 2)

    def forward_grid(
        self, grid: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch features"]:
        """Run the stages on a stem's output; returns features pooled over the last map."""
        x = grid.permute(0, 2, 3, 1)
        for stage in self.layers:
            x = stage(x)
        x = self.classifier.norm(x)
        return x.mean((1, 2)) if self.pooling == "mean" else x.mean((1, 2)) + x.amax((1, 2))

    def classify(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch classes"]:
        """Compute logits of pooled features."""
        return self.classifier.head(features)


class ConvStem(nn.Module):
    """Each of `mels` bands normalised over batch and time, then two `ConvBlock`s, the second to `dim` channels.

    Takes and gives maps as the strided stems do: (batch, 1, mels, frames) to (batch, height, width, dim), where height
    and width are a quarter of bands and frames, rounded down.

    Reference: the first layers of CNN6, Kong et al., "PANNs", https://arxiv.org/abs/1912.10211
    """

    def __init__(self, dim: int, mels: int) -> None:
        super().__init__()
        self.mels = mels
        self.bn0 = nn.BatchNorm1d(mels)
        self.conv_block1 = ConvBlock(1, dim // 2)
        self.conv_block2 = ConvBlock(dim // 2, dim)

    def grid(self, frames: int, mels: int) -> tuple[int, int]:
        """Count the (frequency, time) cells of the output. Raises ValueError for other mel bands than the stem's."""
        if mels != self.mels:
            raise ValueError(f"this DASS was built for {self.mels} mel bands, got {mels}")
        return mels // STEM_STRIDE, frames // STEM_STRIDE

    def forward(self, x: Float[Tensor, "batch 1 mels frames"]) -> Float[Tensor, "batch height width dim"]:
        x = self.bn0(x[:, 0])[:, None]
        return self.conv_block2(self.conv_block1(x)).permute(0, 2, 3, 1)


def stem_of(keys: Iterable[str]) -> Stem | None:
    """Which stem weights with these keys are of; None for those of no DASS."""
    present = set(keys)
    known: dict[str, Stem] = {
        "patch_embed.conv_block1.conv1.weight": "conv_blocks",
        "patch_embed.2.running_mean": "batch_norm",
        "patch_embed.2.weight": "layer_norm",
    }
    return next((stem for key, stem in known.items() if key in present), None)


class Stage(nn.Module):
    """Blocks at one resolution, then a halving to the next stage's channels unless it is the last."""

    def __init__(self, blocks: Sequence[VSSBlock], dim: int, next_dim: int | None) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.downsample = (
            nn.Identity() if next_dim is None else nn.Sequential(_channels_first(), *_halving(dim, next_dim))
        )

    def forward(
        self, x: Float[Tensor, "batch height width dim"]
    ) -> Float[Tensor, "batch next_height next_width next_dim"]:
        return self.downsample(self.blocks(x))


class Classifier(nn.Module):
    """The last norm and the linear head; `DASS` pools between them."""

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)


def _strided_stem(dim: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(
        *_halving(1, dim // 2, norm),
        _channels_first(),
        nn.GELU(),
        *_halving(dim // 2, dim, norm),
    )


def _halving(
    channels: int, outputs: int, norm: Norm = nn.LayerNorm
) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Layers from (batch, channels, height, width) to normalised (batch, height / 2, width / 2, outputs), rounded up."""
    return (
        nn.Conv2d(channels, outputs, 3, stride=2, padding=1),
        Rearrange("b c h w -> b h w c"),
        norm(outputs),
    )


def _channels_first() -> nn.Module:
    return Rearrange("b h w c -> b c h w")


def _draw_linear_weights(module: nn.Module) -> None:
    if isinstance(module, Pointwise):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
