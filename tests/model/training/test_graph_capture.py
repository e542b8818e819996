"""How a capture begins, and what one that fails leaves, by a stand-in of the device."""

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from model.training import graph_capture


class Device:
    """Notes what `cuda_capture` asks of a CUDA device, which is not there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mode, self.stream, self.within = 0, "current", "nothing"
        self.passes: list[tuple[str, str, object]] = []
        self.waits: list[tuple[str, str]] = []
        device = self

        def stream_named(name: str) -> Any:
            stream = Mock(spec=torch.cuda.Stream)
            stream.label = name
            stream.wait_stream = lambda other: device.waits.append((name, other.label))
            return stream

        class Generator:
            state = "of the broken capture"

            def clone_state(self) -> str:
                return "clean"

            def graphsafe_set_state(self, state: str) -> None:
                self.state = state

        @contextlib.contextmanager
        def on(stream: Any) -> Iterator[None]:
            before, device.stream = device.stream, stream.label
            yield
            device.stream = before

        @contextlib.contextmanager
        def capturing(graph: object, *, stream: Any, capture_error_mode: str) -> Iterator[None]:
            device.stream, device.within = stream.label, capture_error_mode
            yield
            device.stream, device.within = "current", "nothing"

        self.generator, self.replay = Generator(), lambda: None
        current, side = stream_named("current"), stream_named("side")
        stand_ins = {
            "current_device": lambda: 0,
            "current_stream": lambda _: current,
            "CUDAGraph": lambda: SimpleNamespace(replay=self.replay),
            "device": contextlib.nullcontext,
            "stream": on,
            "graph": capturing,
            "get_sync_debug_mode": lambda: self.mode,
            "set_sync_debug_mode": lambda mode: setattr(self, "mode", mode),
            "set_stream": lambda stream: setattr(self, "stream", stream.label),
            "default_generators": (self.generator,),
        }
        for name, stand_in in stand_ins.items():
            assert hasattr(torch.cuda, name), name
            monkeypatch.setattr(torch.cuda, name, stand_in)
        monkeypatch.setattr(graph_capture, "_side_stream", lambda _: side)

    def step(self) -> str:
        self.passes.append((self.stream, self.within, self.mode))
        return f"pass {len(self.passes)}"


def test_a_capture_warms_up_on_a_stream_of_its_own_and_looks_for_waits_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = Device(monkeypatch)
    result, replay = graph_capture.cuda_capture(device.step, torch.device("cuda"))
    assert (result, replay) == ("pass 5", device.replay)
    assert device.passes == [
        *(3 * [("side", "nothing", 0)]),
        ("side", "nothing", "error"),
        ("side", "thread_local", 0),
    ]
    assert device.waits == [("side", "current"), ("current", "side")]
    assert (device.stream, device.mode) == ("current", 0)
    assert device.generator.state == "of the broken capture"


@pytest.mark.parametrize("place", [1, 4, 5])
def test_a_capture_that_fails_leaves_stream_mode_and_generator_usable(
    monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    device = Device(monkeypatch)

    def fails() -> None:
        device.step()
        if len(device.passes) == place:
            raise RuntimeError("called a synchronizing CUDA operation")

    with pytest.raises(RuntimeError, match="called a synchronizing CUDA operation"):
        graph_capture.cuda_capture(fails, torch.device("cuda"))
    assert (device.stream, device.mode, device.generator.state) == ("current", 0, "clean")
