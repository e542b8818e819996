"""How a function is captured as a CUDA graph, and what a capture that fails leaves behind."""

from __future__ import annotations

import contextlib
import functools
import gc
import warnings
from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

import torch

from data.placement import indexed

WARM_UPS = 3
"""Passes before a capture, as PyTorch's documentation asks for; then one more that may not wait for the device."""

Result = TypeVar("Result")


@runtime_checkable
class Capture(Protocol):
    """Runs a function and keeps what it did on the device: returns its result, and what does all of that again.

    A replay reads the tensors that the function read, and writes its results into the same memory.
    """

    def __call__(
        self, function: Callable[[], Result], device: torch.device
    ) -> tuple[Result, Callable[[], None]]: ...


def cuda_capture(function: Callable[[], Result], device: torch.device) -> tuple[Result, Callable[[], None]]:
    """Capture what `function` starts on a CUDA device, after warm-up passes on a stream of its own (see `Capture`).

    The last of these raises where the function waits for the device, which would spoil a capture. The device's generator
    takes part: a replay draws on from where it stands. Errors of the function and of CUDA are raised as they are; the
    generator and the current stream can be used after them.

    Reference: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
    """
    device = indexed(device)
    current, graph = torch.cuda.current_stream(device), torch.cuda.CUDAGraph()
    # A tensor that is freed by the garbage collector within a capture may need the device.
    gc.collect()
    try:
        with torch.cuda.device(device):
            stream = _side_stream(device)
            _warm_up(function, stream, current)
            # Threads that read ahead or save use the device meanwhile.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                result = function()
    except Exception:
        torch.cuda.set_stream(current)
        # A capture that was broken off leaves the generator waiting for its end, and every later draw an error.
        with contextlib.suppress(RuntimeError):
            generator = torch.cuda.default_generators[device.index]
            generator.graphsafe_set_state(generator.clone_state())
        raise
    return result, graph.replay


def _warm_up(function: Callable[[], object], stream: torch.cuda.Stream, current: torch.cuda.Stream) -> None:
    stream.wait_stream(current)
    mode = torch.cuda.get_sync_debug_mode()
    with torch.cuda.stream(stream), warnings.catch_warnings():
        # Torch says of its own mode that it is a prototype.
        warnings.simplefilter("ignore")
        for _ in range(WARM_UPS):
            function()
        torch.cuda.set_sync_debug_mode("error")
        try:
            function()
        finally:
            torch.cuda.set_sync_debug_mode(mode)
    current.wait_stream(stream)


@functools.cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """One stream for all captures of a process: what cuBLAS keeps for a stream stays for good."""
    return torch.cuda.Stream(device)
