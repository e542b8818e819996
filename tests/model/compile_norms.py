"""Compile the kernels of the layer norm for GPUs that need not be here, and print as JSON what becomes of each.

A process of its own, as `tests.model.selective_scan.compile_kernels` is.
"""

import json
import sys

import torch

from model import layer_norm_triton
from model.layer_norm_triton import bytes_an_element, layer_norm
from tests.model.selective_scan.compile_kernels import compile_launch, launches

KERNELS = ((layer_norm_triton, ("normalise", "norm_gradients")),)


def main() -> None:
    """Channels of all stages, and of the stem; types of a norm before a product, and after a convolution."""
    found = {}
    for channels in (48, 96, 192, 384, 768):
        for x, y in ((torch.float32, torch.bfloat16), (torch.bfloat16, torch.float32)):
            tensors = [torch.empty(5000, channels, dtype=x), torch.empty(channels), torch.empty(channels)]

            def norm(
                values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, y: torch.dtype = y
            ) -> torch.Tensor:
                return layer_norm(values, weight, bias, 1e-5, y)

            for kernel, arguments, warps in launches(norm, tensors, KERNELS):
                used = compile_launch(kernel, arguments, warps, int(sys.argv[1]))
                name = kernel.fn.__name__
                found[f"{name}, {channels}, {x}"] = used | {"bytes": bytes_an_element(x, y)[name]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
