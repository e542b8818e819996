"""What launching our Triton kernels needs to know: whether they run on the CPU, on which device, how many at once."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor


def interpreted() -> bool:
    """Whether Triton runs its kernels on the CPU, step by step: to test them, not to use them."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def on_device_of(tensor: Tensor) -> Any:
    """Make the device of `tensor` the current one, on which Triton launches, while the block runs."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()


def multiprocessors(device: torch.device) -> int:
    """Count the multiprocessors of a card; in the interpreter there is one."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
