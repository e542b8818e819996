"""What the layers of a study's networks do to each spatial frequency of their maps, as they hear recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from data.errors import DataError
from data.settings import ConfigError
from model.ast import AST
from model.dass import DASS
from model.frozen import encoder_of
from model.spectral_response import MOST_CELLS, Mode, ast_response, dass_response
from model.training.inputs import network_input
from model.training.prediction import random_network
from sweep.evaluation.predict import Predictor

Layer = tuple[int, ...]
"""Stage and block of DASS, or layer of AST, from 0."""


@dataclass(frozen=True)
class SpectralCurve:
    """How strongly a layer passes each frequency of its flattened map, from 0 to half a cycle a cell.

    `smoothed`: with the smoothing of the recipe, else the same weights without it. `response`: the mean over cycles and
    networks of `model.spectral_response.response_curve`, whose entry i is for i / `cells` cycles a cell.
    """

    layer: str
    smoothed: bool
    cells: int
    response: Float[np.ndarray, " frequencies"]

    @property
    def frequencies(self) -> Float[np.ndarray, " frequencies"]:
        """Cycles a cell."""
        return np.arange(len(self.response)) / self.cells

    @property
    def scaled(self) -> Float[np.ndarray, " frequencies"]:
        """The response, shifted and scaled to run from 0 to 1, as the paper draws it; zeros where it is flat."""
        low, high = self.response.min(), self.response.max()
        return (self.response - low) / (high - low) if high > low else np.zeros_like(self.response)


def heard_cycles(
    predictor: Predictor, recordings: Sequence[Path], most: int
) -> tuple[Float[Tensor, "cycles frames mels"] | None, list[str]]:
    """Compute the inputs of the first cycles of recordings, as many as `most`, as the networks get them.

    Beside them a line for each recording that cannot be read, or is of the study's official test part; no cycle of it
    counts. None in place of the inputs when no recording can be read. Recordings after the last cycle are not opened.
    """
    found: list[Tensor] = []
    refused: list[str] = []
    for path in recordings:
        if len(found) == most:
            break
        try:
            found += list(islice(predictor.hear(path).features, most - len(found)))
        except DataError as error:
            refused.append(str(error))
    if not found:
        return None, refused
    cycles = torch.stack([cycle.float() for cycle in found])
    return network_input(cycles, predictor.recipe).to(predictor.device), refused


def chosen_layers(
    predictor: Predictor, cycles: Float[Tensor, "cycles frames mels"], asked: Sequence[str]
) -> list[Layer]:
    """Read layers as people write them, `2.6` for the block 6 of stage 2 of DASS and `7` for the layer 7 of AST.

    When none is asked for: all blocks of DASS whose maps have at most a quarter of `MOST_CELLS` cells, at least the last
    block, and three layers
    of AST, the first, the middle and the last. Raises ConfigError for a network that neither scans nor attends, and for
    a layer that it does not have.
    """
    network, title = encoder_of(predictor.networks[0]), predictor.recipe.backbone.title
    if isinstance(network, AST):
        depth = len(network.blocks)
        known = [(layer,) for layer in range(depth)]
        usual = sorted({(0,), (depth // 2,), (depth - 1,)})
    elif isinstance(network, DASS):
        sizes = _cells(network, cycles[:1])
        known = list(sizes)
        usual = [layer for layer, cells in sizes.items() if cells <= MOST_CELLS // 4]
    else:
        raise ConfigError(
            f"{predictor.study}: a spectral response is that of a layer that scans or attends, so the network must be "
            f"dass or ast, got {title}"
        )
    names = {named(layer): layer for layer in known}
    for one in asked:
        if one not in names:
            raise ConfigError(f"--layer {one}: {title} has no such layer; it has {', '.join(names)}")
    return [names[one] for one in asked] or usual or known[-1:]


def named(layer: Layer) -> str:
    """Write a layer as people do: 2.6, or 7."""
    return ".".join(map(str, layer))


def spectral_curves(
    predictor: Predictor, cycles: Float[Tensor, "cycles frames mels"], layers: Sequence[Layer], mode: Mode
) -> Iterator[SpectralCurve]:
    """Compute the curve of each layer, and where the recipe smooths, of each without smoothing before that.

    One cycle at a time, as each takes a matrix of cells by cells. `mode` is that of
    `model.spectral_response.mixing_matrices`; attention has one. Raises ConfigError for a layer whose map is too large,
    and for another mode than `exact` of a network that attends.

    Reference: Lung-SRAD, Figs. 1 and 2, arXiv 2606.11922
    """
    if mode != "exact" and isinstance(encoder_of(predictor.networks[0]), AST):
        raise ConfigError(
            f"--mode: {mode} is of the scans of dass, got {predictor.recipe.backbone.title}; leave it out"
        )
    variants: Mapping[bool, Sequence[nn.Module]] = {True: predictor.networks}
    if predictor.recipe.smoothing.stage is None:
        variants = {False: predictor.networks}
    else:
        variants = {False: _without_smoothing(predictor), **variants}
    for layer in layers:
        for smoothed, networks in variants.items():
            curves = [
                _response(network, cycle[None], layer, mode) for network in networks for cycle in cycles
            ]
            mean = torch.cat(curves).double().mean(0).cpu().numpy()
            yield SpectralCurve(named(layer), smoothed, len(mean), mean[: len(mean) // 2 + 1])


def _response(network: nn.Module, cycle: Tensor, layer: Layer, mode: Mode) -> Tensor:
    network = encoder_of(network)
    if isinstance(network, AST):
        return ast_response(network, cycle, layer[0])
    assert isinstance(network, DASS)
    try:
        return dass_response(network, cycle, layer[0], layer[1], mode)
    except ValueError as error:
        raise ConfigError(f"--layer {named(layer)}: {error}") from error


def _without_smoothing(predictor: Predictor) -> list[nn.Module]:
    recipe = predictor.recipe
    plain = recipe.model_copy(update={"smoothing": recipe.smoothing.model_copy(update={"stage": None})})
    networks = []
    for network in predictor.networks:
        copy = random_network(plain, predictor.task)
        copy.load_state_dict(network.state_dict())
        networks.append(copy.to(predictor.device).eval())
    return networks


def _cells(network: DASS, cycle: Float[Tensor, "1 frames mels"]) -> dict[Layer, int]:
    """Count the cells of the map of each block."""
    found: dict[Layer, int] = {}
    hooks = []
    for stage, depth in enumerate(network.depths):
        for block in range(depth):

            def note(_: nn.Module, inputs: tuple[Tensor, ...], layer: Layer = (stage, block)) -> None:
                found[layer] = inputs[0].shape[1] * inputs[0].shape[2]

            module = network.get_submodule(f"layers.{stage}.blocks.{block}.op")
            hooks.append(module.register_forward_pre_hook(note))
    try:
        with torch.no_grad():
            network(cycle)
    finally:
        for hook in hooks:
            hook.remove()
    return found
