"""Backbones by name, and how one is built."""

from __future__ import annotations

import logging
from collections.abc import Hashable

import torch

from data.bands import KeptBands
from model.ast import AST
from model.beats import BEATs
from model.cnn_tsa import CNNTSA
from model.dass import DASS
from model.frozen import Encoder, FrozenNetwork
from model.frozen_parts import FrozenConfig
from model.lora import add_lora
from model.own_network import OwnNetwork, build_own_network
from model.pretrained import clear_head, load_pretrained
from model.recipe_parts import BackboneConfig, SmoothingConfig, check_input, check_smoothing
from model.variants import AST_VARIANTS, BEATS_VARIANTS, CNN_TSA_VARIANTS, DASS_VARIANTS
from model.weights_file import find_checkpoint

log = logging.getLogger(__name__)

Network = DASS | AST | CNNTSA | BEATs | OwnNetwork | FrozenNetwork


def build_backbone(
    config: BackboneConfig,
    smoothing: SmoothingConfig,
    num_classes: int,
    input_shape: tuple[int, int],
    kept: KeptBands | None = None,
    frozen: FrozenConfig | None = None,
) -> Network:
    """Build the network for log-mels of `input_shape` (frames, mels), and load pretrained weights if `config` names any.

    With `config.lora` these are frozen then, and get low-rank pairs beside them.

    `kept`: the bands that `input_shape` has, where others are dropped, so that weights for all of them fit too.
    `frozen`: puts a head of this form on the network, of which all else stays as it is. What is drawn for the head
    does not depend on the encoder, and networks of one process share an encoder with the same weights.

    Raises ConfigError when smoothing or input do not fit the network, or when one of the user's own cannot be built;
    PretrainedError when weights do not fit.
    """
    check_smoothing(config, smoothing)
    check_input(config, *input_shape)
    if config.is_own:
        return build_own_network(config, num_classes, input_shape)
    if frozen is None or not frozen.encoder:
        return _loaded(config, smoothing, num_classes, input_shape[1], kept)
    drawn = torch.get_rng_state()
    if config.pretrained is None:
        encoder = _loaded(config, smoothing, num_classes, input_shape[1], kept)
    else:
        file = find_checkpoint(config.pretrained)
        written = file.stat().st_mtime_ns, file.stat().st_size
        settings = config.model_dump_json(), smoothing.model_dump_json()
        encoder = _encoder(settings, num_classes, input_shape[1], kept, written)
    clear_head(encoder)
    torch.set_rng_state(drawn)
    return FrozenNetwork(encoder, num_classes, frozen)


def forget_encoder() -> None:
    """Let go of the encoder that this process holds for the next head, wherever it lies."""
    _held.clear()


def _encoder(
    settings: tuple[str, str], num_classes: int, mels: int, kept: KeptBands | None, written: tuple[int, int]
) -> Encoder:
    """Build an encoder unless this process holds it; the one that it held before is let go of first.

    `settings`: backbone and smoothing as JSON; `written`: when the file of weights was, and its size in bytes.
    """
    key = settings, num_classes, mels, kept, written
    if key not in _held:
        forget_encoder()
        backbone, smoothing = settings
        _held[key] = _loaded(
            BackboneConfig.model_validate_json(backbone),
            SmoothingConfig.model_validate_json(smoothing),
            num_classes,
            mels,
            kept,
        )
    return _held[key]


_held: dict[Hashable, Encoder] = {}
"""The last frozen encoder that was built, by what it was built from: heads trained one after another share it."""


def _loaded(
    config: BackboneConfig, smoothing: SmoothingConfig, num_classes: int, mels: int, kept: KeptBands | None
) -> Encoder:
    backbone = _build(config, smoothing, num_classes, mels)
    if config.pretrained is not None:
        report = load_pretrained(backbone, config.pretrained, kept=kept)
        log.info("%s  layout %s  SHA-256 %s", report.path, report.layout, report.sha256)
    if config.lora is not None and isinstance(backbone, AST | BEATs):
        add_lora(backbone, config.lora)
    return backbone


def _build(config: BackboneConfig, smoothing: SmoothingConfig, num_classes: int, mels: int) -> Encoder:
    if config.name == "beats":
        return BEATs(BEATS_VARIANTS[config.size], num_classes, dropout=config.dropout or 0.0)
    if config.name == "ast":
        size = AST_VARIANTS[config.size]
        return AST(
            size.dim,
            size.depth,
            size.heads,
            size.mlp_dim,
            num_classes,
            pooling=config.pooling,
            dropout=config.dropout or 0.0,
            position_layout=config.position_layout,
        )
    if config.name == "cnn_tsa":
        channels, dropout = CNN_TSA_VARIANTS[config.size]
        dropout = dropout if config.dropout is None else config.dropout
        return CNNTSA(channels, mels, num_classes, config.attention or "post", dropout)
    variant = DASS_VARIANTS[config.size]
    drop_path_rate = variant.drop_path_rate if config.drop_path_rate is None else config.drop_path_rate
    return DASS(
        variant.depths,
        variant.dims,
        num_classes=num_classes,
        drop_path_rate=drop_path_rate,
        smoothing=None if smoothing.stage is None else smoothing,
        scan_engine=config.scan_engine,
        stem=config.stem or variant.stem,
        mels=mels,
        pooling=config.pooling,
    )
