"""Steps captured on a real GPU, where there is one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from data.task import ICBHI
from model.training.checkpoint import load_checkpoint, save_checkpoint
from model.training.training import Training
from tests.model.training.replayed_runs import WAYS
from tests.model.training.tiny_run import recipe, tones

needs_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
ON_A_GPU = ["dass, both axes", "dass, form paper", "dass, batch norm, sam", "ast, mixup", "cnn_tsa", "beats"]


def on_a_gpu(*, graphs: bool, cycles: int = 53, **changes: Any) -> Training:
    settings = recipe(**{"sampling": {"drop_last": False}, "epochs": 2, **changes})
    data = tones(cycles, 0), tones(8, 1)
    return Training(settings, 1, *data, device="cuda", task=ICBHI, cuda_graphs=graphs)


@pytest.mark.gpu
@needs_a_gpu
@pytest.mark.parametrize("way", ON_A_GPU)
def test_on_a_gpu_a_captured_step_is_believed_and_trains_as_the_plain_one(way: str) -> None:
    plain, replayed = (on_a_gpu(graphs=graphs, **WAYS[way]) for graphs in (False, True))
    for _ in range(2):
        expected, found = plain.run_epoch(), replayed.run_epoch()
        # A GPU adds up in an order of its own.
        assert found.train_loss == pytest.approx(expected.train_loss, rel=1e-3)
    assert replayed.step_graph is not None
    assert replayed.step_graph.trouble is None
    assert replayed.step_graph.is_held


@pytest.mark.gpu
@needs_a_gpu
def test_on_a_gpu_an_epoch_paused_under_a_graph_goes_on_without_one(tmp_path: Path) -> None:
    whole, first = on_a_gpu(graphs=False), on_a_gpu(graphs=True)
    whole.run_epoch()
    asked = iter([False] * 4 + [True])
    assert first.run_epoch_unless(lambda: next(asked)) is None
    save_checkpoint(tmp_path / "checkpoint.pt", first.state_dict())
    for graphs in (False, True):
        torch.cuda.manual_seed(99)
        second = on_a_gpu(graphs=graphs)
        second.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
        assert second.run_epoch().train_loss == pytest.approx(whole.history[0].train_loss, rel=1e-3)


@pytest.mark.gpu
@needs_a_gpu
def test_on_a_gpu_the_memory_of_a_graph_is_free_when_its_run_is_gone() -> None:
    def held() -> int:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        return torch.cuda.memory_reserved()

    on_a_gpu(graphs=True).run_epoch()
    before = held()
    replayed = on_a_gpu(graphs=True)
    replayed.run_epoch()
    assert held() > before
    del replayed
    assert held() == before


@pytest.mark.gpu
@needs_a_gpu
@pytest.mark.parametrize("in_capture", [False, True], ids=["in warm-up", "in the capture"])
def test_on_a_gpu_a_step_that_waits_for_the_device_is_not_captured_and_the_plain_step_goes_on(
    monkeypatch: pytest.MonkeyPatch, in_capture: bool
) -> None:
    original = torch.nn.functional.cross_entropy

    def waits(logits: Tensor, *arguments: Any, **named: Any) -> Tensor:
        if torch.cuda.is_current_stream_capturing() or not in_capture:
            assert logits.sum().item() is not None
        return original(logits, *arguments, **named)

    monkeypatch.setattr("model.training.losses.functional.cross_entropy", waits)
    plain, replayed = (on_a_gpu(graphs=graphs, cycles=24) for graphs in (False, True))
    plain.run_epoch()
    with pytest.warns(UserWarning, match="no training step is replayed.*cannot be captured"):
        found = replayed.run_epoch()
    # Drop path still draws, on the stream that all else runs on.
    assert found.train_loss == pytest.approx(plain.history[0].train_loss, rel=1e-3)
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
