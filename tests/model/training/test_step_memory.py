"""What one training step keeps in memory: no graph of detached passes, and of a batch in chunks one chunk."""

import weakref
from collections.abc import Sequence
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from model.patch_mix import Mix, draw_mix
from model.projector import Projector
from model.recipe_parts import PatchMixConfig
from model.training.seeds import generator
from model.training.step import objective
from tests.model.training.steps import ALL_AXES, LABELS, SHAPE, build, half_mixed


class PeakMemory(TorchDispatchMode):
    """Most bytes that tensors made under it held at once."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, int] = {}
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                storage = leaf.untyped_storage()
                if id(storage) not in self.alive:
                    self.alive[id(storage)] = storage.nbytes()
                    weakref.finalize(storage, self.alive.pop, id(storage))
        self.peak = max(self.peak, sum(self.alive.values()))
        return result


@pytest.mark.parametrize("form", ["paper", "paper_inverse"])
def test_mixed_passes_that_are_detached_keep_no_graph(form: Any) -> None:
    model = build("dass")
    saved = {}

    def save(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    def graph(config: PatchMixConfig, mixes: Sequence[Mix]) -> int:
        saved.clear()
        projector = Projector(model.feature_dim).double()
        with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
            losses = objective(
                model, projector, torch.randn(6, *SHAPE, dtype=torch.float64), LABELS[:6], mixes, config
            )
        assert losses.total.requires_grad
        return sum(saved.values())

    mixes = half_mixed(model, ALL_AXES, 6)
    found = graph(PatchMixConfig(axes=ALL_AXES, form=form), mixes)
    with_graphs = graph(PatchMixConfig(axes=ALL_AXES, form="reference"), mixes)
    assert found < 0.5 * with_graphs


@pytest.mark.parametrize("name", ["dass", "ast"])
def test_of_the_24_rows_of_three_passes_one_chunk_is_held_at_a_time(name: Literal["dass", "ast"]) -> None:
    model = build(name, stem="layer_norm" if name == "dass" else None)
    inputs, labels = torch.randn(8, 96, 64, dtype=torch.float64), torch.arange(8) % 4
    drawn = generator(1, "mix")
    mixes = [draw_mix(axis, model.grid(96, 64), 8, 1.0, drawn) for axis in ("time", "frequency")]
    projector = Projector(model.feature_dim).double()
    modules = nn.ModuleDict({"model": model, "projector": projector})
    weights = sum(parameter.nbytes for parameter in modules.parameters())

    def activations(accumulate: int) -> int:
        """Bytes at the peak, beyond the weights and their gradients."""
        modules.zero_grad(set_to_none=False)
        with PeakMemory() as memory:
            losses = objective(
                model, projector, inputs, labels, mixes, PatchMixConfig(), accumulate=accumulate
            )
            losses.total.backward()
        return memory.peak - 2 * weights

    activations(1)  # Makes the gradients.
    whole = activations(1)
    assert activations(2) < 0.3 * whole  # 4 rows: 0.17, and the stems of their partners
    assert activations(4) < 0.2 * whole  # 2 rows: 0.08, likewise
