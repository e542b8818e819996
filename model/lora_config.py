"""Settings of low-rank adaptation. Free of torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from data.settings import Config
from model.variants import AST_VARIANTS, BEATS_VARIANTS

Target = Literal["query", "key", "value", "output"]


class LoRAConfig(Config):
    """Low-rank pairs trained beside the frozen weights of attention (arXiv 2106.09685); defaults of its RoBERTa base."""

    rank: int = Field(default=8, ge=1, le=1024, description="of each pair; at most the width of the tokens")
    alpha: float = Field(
        default=8.0,
        gt=0,
        le=10_000,
        description="a pair's product is scaled by alpha / rank before it is added",
    )
    targets: tuple[Target, ...] = Field(
        default=("query", "value"), description="which projections of each attention get a pair"
    )

    @field_validator("targets")
    @classmethod
    def _names_some_once(cls, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        if not targets or len(set(targets)) < len(targets):
            raise ValueError(
                f"must name one projection or more, each once; got {', '.join(targets) or 'none'}"
            )
        return targets


def check_lora(lora: LoRAConfig, name: str, size: str, pretrained: str | None) -> None:
    """Raise ValueError for weights that are not there to be adapted, or are narrower than the rank.

    `name`, `size`: a network with transformer layers, and its variant.
    """
    if pretrained is None:
        raise ValueError(
            "lora trains small matrices beside weights that stay as they are, and random ones know nothing: name "
            "weights in pretrained, or set lora to null"
        )
    width = {"ast": AST_VARIANTS, "beats": BEATS_VARIANTS}[name][size].dim
    if lora.rank > width:
        raise ValueError(f"lora.rank: tokens of {name} {size} are {width} wide, got {lora.rank}")
