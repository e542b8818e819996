"""Layer norm that reads and writes the types of its neighbours under autocast on a GPU."""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module

import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.out_of_memory import is_out_of_memory
from model.selective_scan import runs_triton


class CastingLayerNorm(nn.LayerNorm):
    """`nn.LayerNorm` over channels, by our Triton kernels where autocast would copy its input and its result.

    CUDA's autocast has `nn.LayerNorm` read and write single precision: a map in half precision is copied before, and
    what a product follows is copied after, and its gradient too. Here the kernels read what there is, and write
    autocast's type if a product follows (`feeds_product`), else single precision. So values are those of autocast, but
    for the last bit of rounding.

    Wherever `scan_engine` does not stand for `triton`, and outside autocast, for double precision and within
    `torch.func`, it is `nn.LayerNorm` bit for bit. A recipe's `scan_engine: reference` or `mamba` turns the kernels off.
    """

    def __init__(self, channels: int, scan_engine: str = "auto", *, feeds_product: bool = False) -> None:
        super().__init__(channels)
        self.scan_engine = scan_engine
        self.feeds_product = feeds_product

    def forward(self, input: Float[Tensor, "*rows channels"]) -> Float[Tensor, "*rows channels"]:
        """Normalise each row of channels."""
        if not self._by_kernels(input):
            return super().forward(input)
        dtype = torch.get_autocast_dtype(input.device.type) if self.feeds_product else torch.float32
        norm = import_module("model.layer_norm_triton").layer_norm
        return norm(input, self.weight, self.bias, self.eps, dtype)

    def _by_kernels(self, input: Tensor) -> bool:
        return (
            # Asked before autocast, which some kinds of device do not have.
            runs_triton(self.scan_engine, input.device)
            and torch.is_autocast_enabled(input.device.type)
            and self.weight.dtype == torch.float32
            and input.dtype in (torch.float32, torch.bfloat16, torch.float16)
            and input.numel() > 0
            # Neither batches nor derivatives of `torch.func` see into the kernels.
            and not torch._C._are_functorch_transforms_active()
            and _kernels_work()
        )


@cache
def _kernels_work() -> bool:
    """Try the kernels once a process; where they fail, warn that torch's own layer norm is used.

    A full memory is no failure of theirs: it is raised, and they are tried again by the next norm.
    """
    try:
        import_module("model.layer_norm_triton").try_out()
    except Exception as error:
        if is_out_of_memory(error):
            raise
        warnings.warn(
            f"our kernels of the layer norm do not work here ({type(error).__name__}: {error}); torch's own is used, "
            "which copies more; see respsweep doctor",
            stacklevel=2,
        )
        return False
    return True
