"""Where a table of features lies while a run trains: whole on its device when it fits, else read one batch ahead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

CPU = torch.device("cpu")
MOST_OF_MEMORY = 0.25
"""Share of the memory that a process may use on a device which features may take; training needs the rest."""


def indexed(device: torch.device | str) -> torch.device:
    """Add the index that tensors report to a device: plain `cuda` becomes the current CUDA device."""
    device = torch.device(device)
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


def copy_that_fits(
    features: Float[Tensor, "table *cycle"], device: torch.device, share: float
) -> Float[Tensor, "table *cycle"] | None:
    """Copy the table to `device`; returns None where the copy would take too much memory.

    A CUDA device takes a table of at most `MOST_OF_MEMORY` of what this process may use: the free memory, and no more
    than `share` (a fraction) of all memory. Other devices take any table.
    """
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        # What torch keeps for later is not free to others, but is to us.
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        if not fits(features.nbytes, free + idle, total, share):
            return None
    try:
        return features.to(device)
    except torch.OutOfMemoryError:
        # Another process was quicker.
        return None


def fits(size: int, free: int, total: int, share: float) -> bool:
    """Whether `size` bytes of features may stay on a device with `free` of `total` bytes, given a process's `share`."""
    return size <= MOST_OF_MEMORY * min(free, share * total)


def send(tensor: Shaped[Tensor, "*shape"], device: torch.device) -> Shaped[Tensor, "*shape"]:
    """Send a tensor to `device`, from the CPU without waiting for what the device is doing."""
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def gather(
    features: Float[Tensor, "table *cycle"], order: Sequence[Int[Tensor, " _"]]
) -> Iterator[Float[Tensor, "_ *cycle"]]:
    """Yield rows of the table batch by batch, in float32, on the table's device; `order` lies on the CPU."""
    # One transfer for all batches.
    places = send(torch.cat(list(order)), features.device)
    for rows in places.split([len(rows) for rows in order]):
        yield features.index_select(0, rows).float()


def read_ahead(
    features: Float[Tensor, "table *cycle"], order: Sequence[Int[Tensor, " _"]], device: torch.device
) -> Iterator[Float[Tensor, "_ *cycle"]]:
    """Yield rows batch by batch, in float32, on `device`, of a table that stays on the CPU or on disk.

    A thread reads the next batch, into pinned memory for a CUDA device, while the caller works on the last. An error
    of the thread is raised in place of its batch. The thread ends with the iterator.
    """

    def read(rows: Tensor) -> Tensor:
        # torch gives a pinned block out again only when the copy from it is done.
        block = torch.empty(
            len(rows), *features.shape[1:], dtype=features.dtype, pin_memory=device.type == "cuda"
        )
        return torch.index_select(features, 0, rows, out=block)

    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        ahead = reader.submit(read, order[0])
        for rows in order[1:]:
            batch, ahead = ahead.result(), reader.submit(read, rows)
            yield batch.to(device, non_blocking=True).float()
        yield ahead.result().to(device, non_blocking=True).float()
