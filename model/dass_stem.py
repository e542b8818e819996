"""What a DASS begins with: two strided convolutions, as published, or two convolutional blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from einops.layers.torch import Rearrange
from jaxtyping import Float
from torch import Tensor, nn

from model.batch_norm import ChannelsLastBatchNorm
from model.conv_block import ConvBlock
from model.layer_norm import CastingLayerNorm
from model.variants import DASS_STRIDE, Stem

Norm = Callable[[int], nn.Module]


def build_stem(stem: Stem, dim: int, mels: int, scan_engine: str = "auto") -> StridedStem | ConvStem:
    """Build a stem to `dim` channels, for inputs of `mels` bands if it is one of convolutional blocks.

    `scan_engine` is that of its layer norms.
    """
    if stem == "conv_blocks":
        return ConvStem(dim, mels)
    return StridedStem(dim, layer_norm(scan_engine) if stem == "layer_norm" else ChannelsLastBatchNorm)


class StridedStem(nn.Sequential):
    """Two convolutions of stride two, each normalised, with a GELU between them.

    Maps (batch, 1, mels, frames) become (batch, height, width, dim). Published weights have layer norms.

    Reference: Bhati et al., "DASS: Distilled Audio State Space Models", https://arxiv.org/abs/2407.04082
    """

    def __init__(self, dim: int, norm: Norm) -> None:
        super().__init__(
            *halving(1, dim // 2, norm), channels_first(), nn.GELU(), *halving(dim // 2, dim, norm)
        )

    def grid(self, frames: int, mels: int) -> tuple[int, int]:
        """Count the (frequency, time) cells of the output."""
        return -(-mels // DASS_STRIDE), -(-frames // DASS_STRIDE)


class ConvStem(nn.Module):
    """Each of `mels` bands normalised over batch and time, then two `ConvBlock`s, the second to `dim` channels.

    Maps (batch, 1, mels, frames) become (batch, height, width, dim), where height and width are a quarter of bands and
    frames, rounded down. Convolutions start from torch's default weights.

    Reference: these are the first layers of CNN6, Kong et al., "PANNs", https://arxiv.org/abs/1912.10211
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
        return mels // DASS_STRIDE, frames // DASS_STRIDE

    def forward(self, x: Float[Tensor, "batch 1 mels frames"]) -> Float[Tensor, "batch height width dim"]:
        x = self.bn0(x[:, 0])[:, None]
        return self.conv_block2(self.conv_block1(x)).permute(0, 2, 3, 1)


def halving(channels: int, outputs: int, norm: Norm) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Layers from (batch, channels, height, width) to normalised (batch, height / 2, width / 2, outputs), rounded up."""
    return (
        nn.Conv2d(channels, outputs, 3, stride=2, padding=1),
        Rearrange("b c h w -> b h w c"),
        norm(outputs),
    )


def layer_norm(scan_engine: str) -> Norm:
    """Return what makes the layer norm of given channels after a convolution."""
    return partial(CastingLayerNorm, scan_engine=scan_engine)


def channels_first() -> nn.Module:
    """A layer from (batch, height, width, channels) to (batch, channels, height, width)."""
    return Rearrange("b h w c -> b c h w")


def stem_of(keys: Iterable[str]) -> Stem | None:
    """Tell from the names of its weights which stem a DASS has; None for another network."""
    names = set(keys)
    # Asked in this order: a batch norm has all that a layer norm has, and running statistics.
    known: dict[str, Stem] = {
        "patch_embed.conv_block1.conv1.weight": "conv_blocks",
        "patch_embed.2.running_mean": "batch_norm",
        "patch_embed.2.weight": "layer_norm",
    }
    return next((stem for name, stem in known.items() if name in names), None)
