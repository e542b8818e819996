import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from data.placement import copy_that_fits, fits, gather, read_ahead, send

CPU = torch.device("cpu")
CUDA = torch.device("cuda", 0)
GB = 10**9
ORDER = [torch.tensor(rows) for rows in ([5, 0, 5], [1, 2, 3], [4])]
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(params=[torch.float32, torch.float16])
def table(request: pytest.FixtureRequest) -> Tensor:
    return torch.randn(6, 5, 4).to(request.param)


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


def test_a_batch_holds_its_rows_in_float32(table: Tensor) -> None:
    batches = list(gather(table, ORDER))
    assert {batch.dtype for batch in batches} == {torch.float32}
    for batch, rows in zip(batches, ORDER, strict=True):
        assert batch.tolist() == [table[row].tolist() for row in rows]


def test_batches_read_ahead_are_the_same_to_the_bit(table: Tensor) -> None:
    for ahead, at_once in zip(read_ahead(table, ORDER, CPU), gather(table, ORDER), strict=True):
        assert ahead.dtype == torch.float32
        assert torch.equal(ahead, at_once)


def test_a_batch_is_the_callers_own(table: Tensor) -> None:
    before = table.clone()
    for batches in (gather(table, ORDER), read_ahead(table, ORDER, CPU)):
        for batch in batches:
            batch.zero_()
    assert torch.equal(table, before)


def test_a_table_on_disk_is_read_ahead_too(tmp_path: Path) -> None:
    stored = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float16)
    np.save(tmp_path / "table.npy", stored)
    table = torch.from_numpy(np.load(tmp_path / "table.npy", mmap_mode="c"))
    for batch, rows in zip(read_ahead(table, ORDER, CPU), ORDER, strict=True):
        assert np.array_equal(batch.numpy(), stored[rows.numpy()].astype(np.float32))


def test_just_one_batch_is_read_ahead_and_without_being_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[list[int]] = []
    second = threading.Event()
    select = torch.index_select

    def watched(table: Tensor, axis: int, rows: Tensor, **out: Tensor) -> Tensor:
        read.append(rows.tolist())
        if len(read) == 2:
            second.set()
        return select(table, axis, rows, **out)

    monkeypatch.setattr(torch, "index_select", watched)
    batches = read_ahead(torch.rand(6, 5, 4), ORDER, CPU)
    next(batches)
    assert second.wait(60)
    batches.close()  # type: ignore[attr-defined]
    assert read == [[5, 0, 5], [1, 2, 3]]


def test_what_goes_wrong_in_the_thread_is_raised_in_its_batchs_place(table: Tensor) -> None:
    batches = read_ahead(table, [torch.tensor([0, 1]), torch.tensor([6]), torch.tensor([2])], CPU)
    assert torch.equal(next(batches), table[:2].float())
    with pytest.raises(IndexError, match="out of range"):
        next(batches)
    assert readers() == []


def test_the_thread_ends_with_the_last_batch_or_with_the_iterator(table: Tensor) -> None:
    batches = read_ahead(table, ORDER, CPU)
    next(batches)
    assert len(readers()) == 1
    assert len(list(batches)) == 2
    assert readers() == []

    abandoned = read_ahead(table, ORDER, CPU)
    next(abandoned)
    assert len(readers()) == 1
    del abandoned
    assert readers() == []


def test_an_iterator_that_was_never_used_starts_no_thread(table: Tensor) -> None:
    _unused = read_ahead(table, ORDER, CPU)
    assert readers() == []


@pytest.mark.parametrize(
    ("size", "free", "total", "share", "answer"),
    [
        (1.4, 79, 80, 1.0, True),
        (1.4, 79, 80, 0.1, True),  # a quarter of 8 GB
        (1.4, 79, 80, 0.05, False),  # a quarter of 4 GB
        (1.4, 5, 80, 1.0, False),  # a quarter of 5 GB
        (1.4, 5.6, 80, 1.0, True),
        (1.4, 23, 24, 0.25, True),
        (1.4, 15, 16, 0.25, False),
    ],
)
def test_features_take_a_quarter_of_what_a_process_may_use_at_most(
    size: float, free: float, total: float, share: float, answer: bool
) -> None:
    assert fits(int(size * GB), int(free * GB), int(total * GB), share) is answer


def test_a_device_that_is_full_after_all_gets_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("out of memory")

    table = torch.rand(6, 5, 4)
    copy = copy_that_fits(table, torch.device("meta"), 1.0)
    assert copy is not None
    assert copy.device.type == "meta"
    monkeypatch.setattr(torch.Tensor, "to", full)
    assert copy_that_fits(table, torch.device("meta"), 1.0) is None


def test_what_is_sent_is_what_arrives() -> None:
    tensor = torch.arange(6)[::2]
    assert send(tensor, CPU).tolist() == [0, 2, 4]


@pytest.mark.gpu
@needs_cuda
def test_on_a_gpu_too_batches_are_the_same_to_the_bit(table: Tensor) -> None:
    on_cpu = list(gather(table, ORDER))
    for batches in (gather(table.cuda(), ORDER), read_ahead(table, ORDER, CUDA)):
        for batch, expected in zip(batches, on_cpu, strict=True):
            assert batch.device == CUDA
            assert torch.equal(batch.cpu(), expected)


@pytest.mark.gpu
@needs_cuda
def test_a_gpu_takes_what_fits() -> None:
    table = torch.rand(6, 5, 4)
    copy = copy_that_fits(table, CUDA, 1.0)
    assert copy is not None
    assert torch.equal(copy.cpu(), table)
    assert copy_that_fits(table, CUDA, 1e-12) is None


@pytest.mark.gpu
@needs_cuda
def test_pinned_blocks_are_not_reused_while_they_are_copied() -> None:
    table = torch.arange(64.0)[:, None, None].expand(64, 500, 400).contiguous()
    order = list(torch.arange(64).split(4))
    busy = torch.rand(4000, 4000, device=CUDA)
    batches = []
    for batch in read_ahead(table, order, CUDA):
        busy = (busy @ busy).clamp(0, 1)  # the device falls behind
        batches.append(batch[:, 0, 0] + 0 * busy[0, 0])
    assert torch.cat(batches).cpu().tolist() == list(range(64))


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize("ahead", [False, True])
def test_no_batch_waits_for_the_gpu(ahead: bool) -> None:
    table = torch.rand(6, 5, 4)
    copy = table.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in read_ahead(table, ORDER, CUDA) if ahead else gather(copy, ORDER):
            batch += send(torch.ones(4), CUDA)
    finally:
        torch.cuda.set_sync_debug_mode("default")
