"""Whether an error means that a memory was full: no fault of the recipe or of the code."""

from __future__ import annotations

import torch


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the memory of the machine or of its device was full."""
    # On the CPU, and in CUDA's libraries, torch raises a plain RuntimeError.
    text = str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError)
        and any(words in text for words in ("out of memory", "can't allocate memory", "ALLOC_FAILED"))
    )
