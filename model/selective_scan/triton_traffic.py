"""What the Triton scan of a map must move, counted: bytes an element, of each kernel.

An element is a step of a channel in one of the four directions. Every tensor that a kernel is given is counted once a
launch, whatever the caches make of it, and the map once for each of its two lines. At stage 0 of DASS (96 channels, rank
6, one state), the map in bfloat16 and all else in float32:

    forward   chunk_ends 1.7, carry 0.8, scan 4.4                                       6.8
    backward  chunk_starts_gradients 2.7, carry 0.8, scan_gradients 13.0,
              projection_gradients 4.4, sums over programs 1.6                         22.4

The whole is 29.2; 29.8 at stage 1, and 31.7 and 40.7 at stages 2 and 3, where the rank is 24 and 48. Before chunks were
kept in registers it was 88.

Softplus is computed in each of four kernels, from projections that weigh a 50th of it: to keep its values would cost a
write of 4 bytes and three reads.
"""

from __future__ import annotations

from typing import NamedTuple

NUMBER = 4
"""Bytes of float32, in which everything but the map and its projections lies."""


class MapSize(NamedTuple):
    """What the traffic of a map's scan depends on: `half` tells if maps are in 2 bytes a number, `steps` is of a chunk.

    `blocks` counts the blocks of channels of `scan_gradients`, `wide_blocks` those of `projection_gradients`.
    """

    channels: int
    rank: int
    states: int
    steps: int
    blocks: int
    wide_blocks: int
    half: bool = True


def bytes_an_element(size: MapSize) -> dict[str, float]:
    """Count bytes an element of every kernel, both launches of a kernel together, and of the sums after them."""
    given = 2 if size.half else NUMBER
    channels, states = size.channels, size.states
    projected = given * (size.rank + 2 * states) / channels
    state = NUMBER * states / size.steps
    span = NUMBER / size.steps
    shared = 2 * states * size.blocks * NUMBER / channels
    low = size.rank * size.wide_blocks * NUMBER / channels
    # Rows write a quarter of a number an element, columns read and write another.
    y = 3 * NUMBER / 4
    # The same, but that columns keep a sum in memory between their two directions.
    du = (4 * NUMBER + given) / 4
    parameters = state + span + span / 4
    once = NUMBER * (size.rank + 2 * states) / channels
    return {
        "chunk_ends": given / 2 + projected + state + span,
        "carry": 2 * (2 * state + span),
        "scan": given / 2 + projected + state + y,
        "chunk_starts_gradients": NUMBER / 2 + projected + state + span,
        "scan_gradients": given / 2 + NUMBER / 2 + projected + 2 * state + du + NUMBER + shared + parameters,
        "projection_gradients": NUMBER + given * size.rank / channels + low,
        "sums": parameters + shared + (low if size.wide_blocks > 1 else 0) + 2 * once + projected,
    }
